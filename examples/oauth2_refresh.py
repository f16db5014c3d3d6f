"""How do I refresh a token once, however many calls it runs out for?

Say how a request is signed and how a token is got; the client does the rest. Here the first token runs out after ten requests, and a hundred calls are on
their way when that happens: one of them refreshes, and all are answered. What is fetched is kept by the client; `OAuth2` itself decides, and does no I/O.

    python -m examples.oauth2_refresh
"""

import asyncio
from dataclasses import dataclass

from aiohttp import web

import asynchttp
from examples._local import serve


@dataclass(frozen=True)
class Tokens:
    """What the client keeps."""

    access: str
    refresh: str


class OAuth2(asynchttp.Auth):
    """RFC 6749: a client id and a secret buy the first token, a refresh token each of the next."""

    def __init__(self, token_url, client_id, client_secret):
        self.token_url = token_url
        self.auth = (client_id, client_secret)

    def sign(self, request, grant):
        """The request with the token."""
        if grant is None:
            return None  # nothing yet: refresh first
        return request.replace(headers={**request.headers, "Authorization": f"Bearer {grant.access}"})

    def refresh(self, grant, answer):
        """The next tokens; each request that is yielded comes back as its answer."""
        form = {"grant_type": "client_credentials"}
        if grant is not None:
            form = {"grant_type": "refresh_token", "refresh_token": grant.refresh}
        answer = yield asynchttp.Request("POST", self.token_url, data=form, auth=self.auth)
        tokens = answer.raise_for_status().json()
        return Tokens(tokens["access_token"], tokens["refresh_token"])


class Server:
    """The first token is good for ten requests, the second for a hundred."""

    def __init__(self):
        self.issued = 0
        self.left = 0

    async def token(self, request):  # noqa: ARG002  the same for all
        """A new one; those before it are void."""
        self.issued += 1
        self.left = 100 if self.issued > 1 else 10
        return web.json_response({"access_token": f"access-{self.issued}", "refresh_token": f"refresh-{self.issued}"})

    async def item(self, request):
        """For who has the newest token."""
        if request.headers.get("Authorization") != f"Bearer access-{self.issued}" or self.left == 0:
            raise web.HTTPUnauthorized
        self.left -= 1
        return web.json_response({"item": request.match_info["number"]})


async def main():
    server = Server()
    async with serve(web.post("/token", server.token), web.get("/items/{number}", server.item)) as url:
        auth = OAuth2(f"{url}/token", "client-id", "client-secret")
        async with asynchttp.Client(url, auth=auth) as client:
            results = await client.gather(f"/items/{number}" for number in range(100))
    sent = sum(len(result.attempts) for result in results)
    print(sum(result.ok for result in results), "answers;", server.issued, "tokens;", sent, "requests")


if __name__ == "__main__":
    asyncio.run(main())
