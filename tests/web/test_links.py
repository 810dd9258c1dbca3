"""The header Link of a page."""

from __future__ import annotations

import pytest

from app.web.links import PageLinks

PATH = "/v1/custom-hostnames"
PUBLIC = "https://api.provider.com/nameplate"


@pytest.mark.parametrize(
    ("public_url", "query", "next_cursor", "header"),
    [
        ("", [], None, f'<{PATH}>; rel="first"'),
        ("", [], "c", f'<{PATH}>; rel="first", <{PATH}?cursor=c>; rel="next"'),
        (
            PUBLIC,
            [("state", "active"), ("cursor", "b"), ("state", "failed")],
            "c",
            (
                f'<{PUBLIC}{PATH}?state=active&state=failed>; rel="first", '
                f'<{PUBLIC}{PATH}?state=active&state=failed&cursor=c>; rel="next"'
            ),
        ),
        (
            "",
            [("q", 'a>; rel="next", <b&c=d e+é')],
            None,
            f'<{PATH}?q=a%3E%3B%20rel%3D%22next%22%2C%20%3Cb%26c%3Dd%20e%2B%C3%A9>; rel="first"',
        ),
    ],
)
def test_links_keep_the_query_and_change_the_cursor(
    public_url: str, query: list[tuple[str, str]], next_cursor: str | None, header: str
) -> None:
    assert PageLinks(public_url, PATH, query).header(next_cursor) == {"Link": header}
