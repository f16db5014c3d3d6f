"""Names of files that strangers suggest."""

import pytest

from asynchttp.policy.filenames import numbered, part_name, safe_name, suggested_name


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ("", ""),
        ("inline", ""),
        ("attachment; filename=a.txt", "a.txt"),
        ('attachment; FileName = "a b;c.txt"', "a b;c.txt"),
        (r'attachment; filename="a\"b\\c.txt"', 'a"b\\c.txt'),
        ("attachment; filename=\"x.txt\"; filename*=UTF-8'en'%e2%82%ac%20rates.txt", "€ rates.txt"),
        ("attachment; filename*=iso-8859-1''%a3.txt", "£.txt"),
        ("attachment; filename=x.txt; filename*=koi8-r''%a3.txt", "x.txt"),
        ("attachment; filename=x.txt; filename*=iſo-8859-1''%a3.txt", "x.txt"),  # a long s, which is an S in any case
        ("attachment; filename*=UTF-8''é%20\udcff.txt", "é ���.txt"),
        ("attachment; filename=a; filename=b", "a"),
        ("attachment; filename=" + "é.txt".encode().decode("latin-1"), "é.txt"),
        ("attachment; filename=" + "é.txt".encode().decode("ascii", "surrogateescape"), "é.txt"),
        ("attachment; filename=" + "é.txt".encode("latin-1").decode("latin-1"), "é.txt"),
        ("attachment; filename=\udcff.txt", "\udcff.txt"),
        ("attachment; filename=", ""),
    ],
)
def test_content_disposition(disposition, name):
    """RFC 6266 and 8187, and the UTF-8 that servers send without asking."""
    assert suggested_name(disposition) == name


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("a.txt", "a.txt"),
        ("é.txt", "é.txt"),
        ("../../etc/passwd", "passwd"),
        ("/etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("C:\\a.txt", "a.txt"),
        ("C:a.txt", "C_a.txt"),
        ("a/b/", "b"),
        (".bashrc", "bashrc"),
        ("..", ""),
        (".", ""),
        ("/", ""),
        ("   ", ""),
        ("a\0b\r\nc\x1b[31m", "abc[31m"),
        ("\u202egpj.exe", "gpj.exe"),
        ("a\udcff.txt", "a.txt"),
        ("a.txt. . ", "a.txt"),
        ("NUL", "_NUL"),
        ("com1.tar.gz", "_com1.tar.gz"),
        ("console.txt", "console.txt"),
        ('a<b>:"|?*.txt', "a_b______.txt"),
    ],
)
def test_safe_names(name, safe):
    """Never a path, never hidden, never one that a system reserves."""
    assert safe_name(name) == safe


@pytest.mark.parametrize(("name", "end"), [("é" * 300 + ".tar", ".tar"), ("a" * 300, ""), ("a." + "b" * 300, "")])
def test_long_names(name, end):
    """Cut to 180 bytes, and told apart by a hash."""
    safe = safe_name(name)
    assert len(safe.encode()) <= 180
    assert safe.endswith(end)
    assert safe != safe_name(name[:-5] + "x" + name[-4:])
    assert len(part_name(name).encode()) < 190


def test_numbers():
    """Before the suffix, if there is one."""
    assert [numbered(name, 1) for name in ("a.zip", "a", "a.tar.gz")] == ["a (1).zip", "a (1)", "a.tar (1).gz"]
