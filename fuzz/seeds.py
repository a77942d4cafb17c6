"""What is damaged: small files of every kind that the server reads, drawn here; requests."""

from __future__ import annotations

import functools
import io
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))  # the pictures of the tests

SIZE = (257, 191)
IMAGE_FORMATS = ("tiff", "jpeg", "png", "webp", "avif", "gif", "jp2")

REQUESTS = (
    "3/full/max/0/default.jpg",
    "3/square/^max/!45.5/gray.png",
    "3/pct:41.6,7.5,40,70/!225,100/90/bitonal.webp",
    "3/125,15,120,140/^pct:120/359.999/color.tif",
    "3/0,0,512,512/^!1024,512/180/default.avif",
    "3/10,10,1,1/,1/0/default.jp2",
    "2/full/full/0/native.jpg",
    "2/pct:0,0,100,100/256,/!90/bitonal.gif",
    "2/0,0,256,256/pct:12.5/22.5/gray.pdf",
)
ADDRESSES = (
    "/iiif/3/sea/full/max/0/default.jpg",
    "/iiif/2/sea.png/info.json",
    "/iiif/3/a/b/c.png/0,0,10,10/5,/0/gray.png",
    "/iiif/3/sea.png",
    "/presentation/3/collection",
    "/presentation/sea/canvas/1",
    "/presentation/3/a/b/range/canvas/range/r",
    "/presentation/2/sea/manifest",
    "/presentation/a/annotation-page/p",
    "/en/viewer?manifest=http://localhost/presentation/3/sea/manifest",
    "/static/pages.css",
    "/health",
    "/oembed?url=http://localhost/en/a/&format=json",
    '/iiif/3/sea/full/9,/0/default.png\nIf-None-Match: "a", W/"b"\nRange: bytes=0-9\nAccept: */*',
    "/presentation/3/collection\nAccept-Encoding: br;q=0.5, gzip\nAccept-Language: mn, ja;q=0.1",
    "/\nAccept: text/html;q=1e9\nX-Forwarded-For: 1.2.3.4, ::1\nIf-Modified-Since: Mon, 1",
)
WIRE = (
    b"GET /iiif/3/sea/full/max/0/default.jpg HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2,
    b"GET http://localhost:80/a%20b?c=d HTTP/1.1\r\nhost: localhost\r\nAccept: */*\r\n\r\n",
    b"HEAD /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /b HTTP/1.0\r\n\r\n",
    b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabcGET /b",
    (
        b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3;x=y\r\nabc\r\n0\r\nTrailer: 1\r\n\r\nOPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"
    ),
    (
        b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"
        b"GET /b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    ),
    (
        b"POST /a HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n"
        b"Content-Length: 31\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n"
    ),
    b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET /\xe6\xb5\xb7 HTTP/1.1\r\nHost: a\r\nHost: b\r\nX_Y: 1\r\nX-Y: 2\r\nx-y:\xff\r\n\r\n",
)
TILES = (
    b"0,0,128,128/128,128/0/default.jpg",
    b"128,256,128,128/max/0/default.jpg",
    b"256,0,256,256/128,128/0/default.jpg",
    b"640,384,60,116/60,116/0/default.jpg",
    b"512,256,188,244/94,122/0/default.jpg",
    b"0,0,512,500/128,125/0/default.jpg",
    b"512,0,8,128/8,128/0/default.jpg?download",
    b"1920,128,80,1/80,1/0/default.jpg",
    b"0,0,256,129/128,65/0/default.jpg",
    b"full/88,63/0/default.jpg",
    b"0,0,1,1/1,1/0/default.jpg",
    b"0%2C0%2c128,128/128%2C/0/native%2Ejpg",
    b"0,0,128,128/128,128/!90/gray.jpg\nIf-None-Match: *",
    b'0,0,128,128/128,128/0/default.jpg\nIf-None-Match: "a", W/"b"\nRange: bytes=0-9',
    b"0,0,128,128/128,128/0/default.jpg\nX-Forwarded-Prefix: /a\nX-Forwarded-Host: evil.example",
    b"info.json\nAccept: application/json",
)
CONTENT_STATES = (
    "http://localhost/presentation/3/sea/manifest",
    (
        '{"id":"http://localhost/presentation/sea/canvas/1#xywh=0,0,10,20","type":"Canvas",'
        '"partOf":[{"id":"http://localhost/presentation/3/sea/manifest","type":"Manifest"}]}'
    ),
    (
        '{"@context":"http://iiif.io/api/presentation/3/context.json","id":"http://e.org/s",'
        '"type":"Annotation","motivation":["contentState"],"target":{"id":"http://localhost/c",'
        '"type":"SpecificResource","selector":{"type":"FragmentSelector","value":"xywh=percent:1,2,'
        '3,4"},"source":[{"id":"http://localhost/c","type":"Canvas"}]}}'
    ),
    "JTdCJTIyaWQlMjIlM0ElMjJodHRwJTNBJTJGJTJGbG9jYWxob3N0JTJGYyUyMiU3RA",
)
DATES = (
    "1939", "1939-05~", "1939-05-11/1939-09-16", "193X", "18XX?", "../1945", "1939-21", "1940s",
    "昭和14年5月", "около 1939 г.", "-0044", "1939/..", "Y170000002",
)  # fmt: skip
MARKUP = (
    "<p>A <b>bold</b> <i>word</i> and <a href='https://a.example/?a=1&b=2'>a link</a></p>",
    "<img src=x onerror=alert(1)><script>alert(1)</script><svg/onload=alert(1)>",
    "a < b & c > d <br/> &lt;p&gt; <!-- comment --> <![CDATA[x]]>",
)
_QUOTED = 'r2,"line\nbreak","say ""so""",1940\n'
CSV = (
    f'identifier,title_en,title_ja,date\nr1,"A, b",海,1939\n{_QUOTED}',
    "identifier;title_en\r\nr1;one\r\n;;;\r\nr2;two;three\r\n",
    "\ufeffidentifier\ttitle_en\nr1\tone\n",
)
SHEET_XML = (
    (
        '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
        '<sheetData><row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="inlineStr"><is><t>x</t>'
        '</is></c></row><row r="3"><c r="C3" s="1"><v>45000.5</v></c><c r="D3" t="b"><v>1</v></c>'
        '<c t="e"><v>#N/A</v></c><c r="XFD3"><f>A1</f><v/></c></row></sheetData><mergeCells>'
        '<mergeCell ref="A1:B2"/></mergeCells></worksheet>'
    ),
    (
        '<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><si><t>a</t></si>'
        "<si><r><t>b</t></r><r><t>c</t></r><rPh><t>d</t></rPh></si></sst>"
    ),
    (
        '<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><numFmts>'
        '<numFmt numFmtId="164" formatCode="yyyy"/></numFmts><cellXfs><xf numFmtId="164"/>'
        '<xf numFmtId="14"/></cellXfs></styleSheet>'
    ),
)


@functools.cache
def images(form: str) -> tuple[bytes, ...]:
    """Return small files of a format, in all the ways that it is met with."""
    return tuple(data for name, data in _drawn().items() if name.split("-")[0] in _NAMES[form])


_NAMES = {
    "tiff": ("tiff", "bigtiff"),
    "jp2": ("jp2", "j2k"),
    **{form: (form,) for form in ("jpeg", "png", "webp", "avif", "gif")},
}


@functools.cache
def _drawn() -> dict[str, bytes]:
    from image_sources import KINDS, make, picture

    source = picture(*SIZE)
    with tempfile.TemporaryDirectory() as place:
        return {kind: make(kind, Path(place), source).read_bytes() for kind in KINDS}


@functools.cache
def sidecar() -> tuple[bytes, bytes, str]:
    """Return a pyramid of ours, its sidecar, and the identity that this names."""
    from image_sources import picture

    from iiifserver.image.build import build
    from iiifserver.image.containers import describe_page
    from iiifserver.image.form import Form
    from iiifserver.image.storing import store
    from iiifserver.sources import identity_of

    form = Form(tile=128)
    with tempfile.TemporaryDirectory() as place:
        scan, pyramid, beside = (Path(place, name) for name in ("a.png", "a.tif", "a.tiles"))
        picture(*SIZE).save(scan)
        build(scan, 0, identity_of(scan.stat()), pyramid, form)
        store(pyramid, describe_page(pyramid), "this", beside, form)
        return pyramid.read_bytes(), beside.read_bytes(), "this"


@functools.cache
def workbooks() -> tuple[bytes, ...]:
    """Return workbooks as Excel and as openpyxl write them, packed and not."""
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Records"
    sheet.append(["identifier", "title_en", "date"])
    sheet.append(["r1", "A title", "1939"])
    sheet.append(["r2", 12.5, None])
    book.create_sheet("Chapters").append(["identifier", "title_en"])
    held = io.BytesIO()
    book.save(held)
    plain = io.BytesIO()
    with zipfile.ZipFile(held) as packed, zipfile.ZipFile(plain, "w") as unpacked:
        for info in packed.infolist():
            unpacked.writestr(info.filename, packed.read(info))
    return held.getvalue(), plain.getvalue()
