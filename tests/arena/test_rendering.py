from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rostra.arena.rendering import AnswerStream, render

HOSTILE = [
    "<script>alert(1)</script>",
    "<ScRiPt src=//evil.example/x.js></sCrIpT>",
    "<img src=x onerror=alert(1)>",
    "![x](https://evil.example/pixel.png)",
    '![x" onerror="alert(1)](https://evil.example/pixel.png)',
    "![x][1]\n\n[1]: https://evil.example/pixel.png",
    "![<script>alert(1)</script>](data:image/png;base64,AAAA)",
    "[click](javascript:alert(1))",
    "[click](JaVaScRiPt:alert(1))",
    "[click](java&#10;script:alert(1))",
    "[click](&#106;avascript:alert(1))",
    "[click](vbscript:msgbox(1))",
    "[click](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "<javascript:alert(1)>",
    '[x](https://evil.example "onmouseover=alert(1)")',
    "<iframe src=https://evil.example></iframe>",
    "<svg onload=alert(1)><use href='https://evil.example#x'/></svg>",
    "<math><mtext><style><img src=x onerror=alert(1)></style></mtext></math>",
    "<style>body{background:url(https://evil.example/x)}</style>",
    "<p style='background:url(https://evil.example/x)'>x</p>",
    "<link rel=stylesheet href=https://evil.example/x.css>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<base href=https://evil.example>",
    "<form action=https://evil.example><input name=q autofocus onfocus=alert(1)></form>",
    "<object data=https://evil.example></object><embed src=https://evil.example>",
    "<video src=https://evil.example/x poster=https://evil.example/y></video>",
    "<details open ontoggle=alert(1)>x</details>",
    "<a href='https://evil.example' onclick=alert(1) id=x class=vote>x</a>",
    "<div\nonclick=alert(1)\n>x</div>",
    "|<script>alert(1)</script>|b|\n|:-:|--|\n|<img src=x onerror=alert(1)>|y|",
    "```html\n<script>alert(1)</script>\n```",
    '```"><script>alert(1)</script>\ncode\n```',
    "`<img src=x onerror=alert(1)>`",
    "<!--><script>alert(1)</script>-->",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "\x00<scr\x00ipt>alert(1)</scr\x00ipt>",
]
ALLOWED = {
    *("p br hr h3 h4 h5 h6 em strong s blockquote ul ol li pre code a span div".split()),
    *("table colgroup col thead tbody tr th td".split()),
    *("math mrow mi mo mn mtext mspace msqrt mroot mfrac msub msup msubsup mtable mtr mtd".split()),
    *("munder mover munderover mstyle mphantom".split()),
}
CLASSES = {
    *("image host code language plain latex display table task done tasks".split()),
    *("left center right".split()),
    *(f"w{width}" for width in range(1, 10)),
    *("c-comment c-keyword c-type c-builtin c-function c-string c-number c-deleted".split()),
    "c-inserted",
}


MATHML = (
    "display mathvariant stretchy fence form separator movablelimits minsize maxsize lspace rspace "
    "width linethickness accent accentunder columnalign rowlines columnlines displaystyle "
    "scriptlevel"
).split()


class Inspector(HTMLParser):
    """Collects everything in a document that is not on the short list of harmless things."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.harmful: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ALLOWED:
            self.harmful.append(tag)
        for name, value in attrs:
            harmless = {
                "href": lambda v: re.match(r"(https?://|mailto:)", v),
                "title": lambda v: True,
                "rel": lambda v: v == "noopener noreferrer nofollow",
                "target": lambda v: v == "_blank",
                "start": str.isdigit,
                "class": lambda v: set(v.split()) <= CLASSES,
                "dir": lambda v: v in ("auto", "ltr"),
                "tabindex": lambda v: v == "0",
                "role": lambda v: v == "img",
                "aria-label": lambda v: v in ("done", "to do"),
            }
            if tag.startswith("m"):
                harmless = dict.fromkeys(MATHML, lambda v: re.fullmatch(r"[\w. -]{0,40}", v))
            if name not in harmless or not harmless[name](value or ""):
                self.harmful.append(f"{tag} {name}={value}")

    def handle_comment(self, data: str) -> None:
        self.harmful.append(f"comment {data}")

    def handle_decl(self, decl: str) -> None:
        self.harmful.append(f"declaration {decl}")


def shown(streaming: AnswerStream) -> str:
    part = streaming.whole()
    return part.html + part.tail


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_becomes_harmless(text):
    assert Inspector(render(text)).harmful == []
    streaming = AnswerStream()
    for end in range(len(text) + 1):
        streaming.update(text[:end])
        assert Inspector(shown(streaming)).harmful == []


def test_inspector_itself_sees_harm():
    for harmful in (
        "<script>",
        "<img src=x>",
        "<a href='javascript:x'>",
        "<p onclick=x>",
        "<!--x-->",
    ):
        assert Inspector(harmful).harmful


@settings(deadline=None)
@given(st.text(st.sampled_from("<>\"'&;:/=!`[]()#*\n scriptonjavaimg"), max_size=60))
def test_no_text_becomes_harmful(text):
    assert Inspector(render(text)).harmful == []


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("**bold** and `code`", '<p dir="auto"><strong>bold</strong> and <code>code</code></p>'),
        ("a <b>b</b>", '<p dir="auto">a &lt;b&gt;b&lt;/b&gt;</p>'),
        (
            "![a cat](https://evil.example/c.png)",
            '<p dir="auto"><span class="image">[image: a cat]</span></p>',
        ),
        ("~~gone~~", '<p dir="auto"><s>gone</s></p>'),
    ],
)
def test_markdown_is_rendered(text, html):
    assert render(text).strip() == html


def test_links_open_elsewhere_and_tell_nothing():
    html = render("[there](https://example.org/x)")
    assert 'href="https://example.org/x"' in html
    assert 'target="_blank"' in html
    assert 'rel="noopener noreferrer nofollow"' in html
