"""One self-contained HTML file: styles, scripts and data inlined, nothing fetched, nothing executed but our own.

The policy in the file's head allows the inlined style and script by their SHA-256 alone: even markup that
escaped us could run nothing and load nothing. Data travels as JSON in a block that is never executed.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from functools import cache
from importlib.resources import files
from typing import Any

_UNSAFE = {ord(c): f"\\u{ord(c):04x}" for c in "<>&"}
_HEAD = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>{css}</style>
</head>
<body>
{body}
<script type="application/json" id="payload">{payload}</script>
<script>{js}</script>
</body>
</html>
"""


def page(title: str, css: str, js: str, body: str, payload: Any) -> str:
    """The whole file. `css`, `js` and `body` are ours and trusted; `title` and `payload` may be anyone's.

    The page's script reads `JSON.parse(document.getElementById("payload").textContent)`. Style attributes
    in `body` would be refused by the policy; a script may set styles and must set texts by `textContent`.
    """
    for name, text in (("style", css), ("script", js)):
        assert f"</{name}" not in text.lower(), f"an inlined {name} must not contain its own end tag"
    policy = (
        f"default-src 'none'; style-src {_hash(css)}; script-src {_hash(js)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    return _HEAD.format(
        policy=policy, title=html.escape(title), css=css, body=body, payload=escaped_json(payload), js=js
    )


def escaped_json(value: Any) -> str:
    """JSON in ASCII without <, > and &: it cannot end the script block, whatever texts it carries."""
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False).translate(_UNSAFE)


@cache
def template(name: str) -> str:
    """The text of one of our template files."""
    return (files("cmt_dsl.draw.page") / "files" / name).read_text(encoding="utf-8")


def scripts(*names: str) -> str:
    """Our script files as one program."""
    return program(*(template(name) for name in names))


def program(*texts: str) -> str:
    """Scripts as one strict function of its own: no globals, later ones see earlier ones."""
    return '(() => {\n"use strict";\n' + "\n".join(texts) + "})();\n"


def styles(*names: str) -> str:
    """Style files, one after the other."""
    return "\n".join(template(name) for name in names)


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
