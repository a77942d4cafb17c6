"""In which encoding a file is."""

import pytest

from iiifserver.errors import InvalidValue
from iiifserver.publish.charset import decode

HEADER = "record,title_ja,title_mn\n"
JAPANESE = ["記録", "国書のかな", "モンゴルのオリンピック初参加", "N. ロブサンチュルテム駐日大使"]
CYRILLIC = ["Мир", "Письмо посла, 1972 г.", "Монголын тусгаар тогтнол", "Обложка; лист № 1 «А»"]


@pytest.mark.parametrize("text", JAPANESE)
def test_japanese_windows_is_known_by_its_text(text):
    found = decode((HEADER + text).encode("cp932"))
    assert found.text == HEADER + text
    assert found.remark.startswith("is not UTF-8: read as CP932")


@pytest.mark.parametrize("text", CYRILLIC)
def test_cyrillic_windows_is_known_by_its_text(text):
    found = decode((HEADER + text).encode("cp1251"))
    assert found.text == HEADER + text
    assert found.remark.startswith("is not UTF-8: read as Windows-1251")


def test_letters_that_windows_1251_has_not_are_pointed_out():
    assert "ө and ү" in decode("Їзэсгэлэн ба монгол, єдєр".encode("cp1251")).remark
    assert "ө and ү" not in decode("Выставка".encode("cp1251")).remark


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("café, naïve, Zürich, Ålesund", "cp1252"),
        ("Привет", "koi8-r"),
        ("これは日本語の文章です。", "euc-jp"),
        ("안녕하세요", "cp949"),
        ("ﾄﾞﾉ", "cp932"),
        ("ПРИВЕТ", "cp1251"),
        ("国書 письмо", "gb18030"),
    ],
)
def test_what_is_not_certain_is_not_guessed(text, encoding):
    with pytest.raises(InvalidValue, match=r"it is not UTF-8 .* save it as"):
        decode((HEADER + text).encode(encoding))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("text", [*JAPANESE, *CYRILLIC, "", "café"])
def test_nothing_is_said_of_utf_8(encoding, text):
    assert decode(text.encode(encoding)) == (text, "")


def test_letters_far_down_decide_too():
    text = HEADER + "plain," * 200_000 + "国書のかな"
    assert decode(text.encode("cp932")).text == text
