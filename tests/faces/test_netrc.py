"""netrc: read when asked, for the hosts that it names, and never for another."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp import web

from asynchttp import BasicAuth, Client, NetrcAuth, Response
from asynchttp.testing import MockTransport
from examples._local import serve

ADA = BasicAuth("ada", "hunter2").header()
FILE = """
machine a.example login ada password hunter2
machine B.example account x password "pass word"
machine ::1 login six password hunter2
default login any password hunter2
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "my-netrc"
    path.write_text(FILE)
    return path


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home without a netrc file, and nothing in the environment."""
    monkeypatch.delenv("NETRC", raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("origin", "auth"),
    [
        ("https://a.example:443", BasicAuth("ada", "hunter2")),
        ("http://a.example:8080", BasicAuth("ada", "hunter2")),
        ("https://b.example:443", BasicAuth("", "pass word")),
        ("http://[::1]:80", BasicAuth("six", "hunter2")),
        ("https://c.example:443", None),
        ("https://sub.a.example:443", None),
        ("https://default:443", None),
    ],
)
def test_credentials_are_for_the_hosts_that_the_file_names(file, origin, auth):
    """On any port, in any case; the default entry is for nobody."""
    assert NetrcAuth(file).for_origin(origin) == auth
    assert repr(NetrcAuth(file)) == "NetrcAuth(3 hosts)"


def test_where_the_file_is(file, home, monkeypatch):
    """NETRC, else ~/.netrc, else ~/_netrc; none is an error for who asks for it by name."""
    assert NetrcAuth.of_environment() is None
    with pytest.raises(ValueError, match=r"\.netrc cannot be read"):
        NetrcAuth()
    for name in ("_netrc", ".netrc"):
        (home / name).write_text(f"machine {name} login l password p")
        assert NetrcAuth().for_origin(f"https://{name}:443") is not None
    monkeypatch.setenv("NETRC", str(file))
    found = NetrcAuth.of_environment()
    assert found is not None
    assert found.for_origin("https://a.example:443") is not None


@pytest.mark.parametrize(("name", "error"), [("home", RuntimeError("no home")), ("is_file", PermissionError(13, "no"))])
def test_a_home_that_is_none(home, monkeypatch, name, error):
    """As in a container whose user is a number, or where HOME is that of another user: no file."""

    def fail(*_):
        raise error

    monkeypatch.setattr(Path, name, fail)
    assert NetrcAuth.of_environment() is None
    with pytest.raises(ValueError, match=r"the netrc file of this user cannot be found: .*no"):
        NetrcAuth()


@pytest.mark.parametrize(
    "text", ["machine", "hunter2 nonsense", "machine h login a:b password hunter2", "machine h login \x80"]
)
def test_a_file_that_is_none(tmp_path, text):
    """Named, and without what stands in it."""
    path = tmp_path / "f"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match="netrc file") as caught:
        NetrcAuth(path)
    assert "hunter2" not in str(caught.value)


@pytest.mark.asyncio
async def test_a_client_asks_it_for_each_hop(file):
    """A redirect to another host gets that one's, or nothing; what the client was given for an origin goes first."""
    left = ["https://b.example/", "https://c.example/"]
    transport = MockTransport(lambda r: Response(302, headers={"Location": left.pop(0)}) if left else Response(200))
    async with Client("https://base.example", auth=NetrcAuth(file), transport=transport) as client:
        await client.get("https://a.example/")
        await client.with_(base_url="https://a.example").get("/")
        await client.get("https://a.example/", auth=None)
        await client.get("https://a.example/", headers={"Authorization": "Mine x"})
    assert [request.headers.get("Authorization") for request in transport.requests] == [
        ADA,
        BasicAuth("", "pass word").header(),
        None,
        ADA,
        None,
        "Mine x",
    ]


def test_the_environment_counts_only_when_asked(file, monkeypatch):
    """Rule 41; what the client was given goes first."""
    monkeypatch.setenv("NETRC", str(file))
    given = {"https://a.example": ("own", "pw")}
    for trust_env, expected in ((False, None), (True, BasicAuth("", "pass word"))):
        bound = Client(auth=given, trust_env=trust_env)._core.settings.layers().auth
        assert bound.get("https://a.example:443") == BasicAuth("own", "pw")
        assert bound.get("https://b.example:443") == expected


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("default login any password hunter2", None),
        ("machine 127.0.0.1 login ada password hunter2", ADA),
        ("machine 127.0.0.1 login eve password pw", ADA),
    ],
)
async def test_on_the_wire(tmp_path, monkeypatch, text, sent):
    """aiohttp, which reads the file too, adds nothing of its own and takes no offence at ours."""

    async def show(request):
        return web.json_response(request.headers.get("Authorization"))

    path = tmp_path / "f"
    path.write_text(text)
    monkeypatch.setenv("NETRC", str(path))
    async with serve(web.get("/", show)) as url:
        auth = ("ada", "hunter2") if "eve" in text else None
        async with Client(url, auth=auth, trust_env=True) as client:
            assert (await client.get("/")).json() == sent
