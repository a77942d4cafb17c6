"""nginx under our configuration, before two nodes that serve one edition."""

from __future__ import annotations

import gzip
import json
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import brotli
import pytest
from fronts import Front, Site, ask, changing, free_port, front, running
from small_exhibition import png

TILE = "/iiif/3/a1-1/0,0,60,80/60,80/0/default.jpg"
TURNED = "/iiif/3/a1-1/full/max/90/default.jpg"
DEADLINE_S = 60


def render(number: int) -> str:
    """Return an address that nobody has asked for."""
    return f"/iiif/3/a1-2/full/{number + 1},/{number % 360}.5/default.png"


# -- what is kept


@pytest.mark.parametrize("path", [TILE, TURNED, "/iiif/3/a1-1/info.json"])
def test_what_was_answered_once_comes_from_the_cache(site: Site, path: str) -> None:
    first, second = site.front.get(path), site.front.get(path)
    assert (first.status, first.cache, second.cache) == (200, "MISS", "HIT")
    assert first.body == second.body == ask(f"{site.nodes[0].address}{path}").body
    for name in ("ETag", "Link", "Access-Control-Allow-Origin", "Cache-Control", "Content-Type"):
        assert second.headers[name] == first.headers[name] is not None


def test_what_stands_after_a_question_mark_makes_no_copies_of_pictures(site: Site) -> None:
    path = "/iiif/3/a2-1/full/max/0/gray.jpg"
    assert site.front.get(path).cache == "MISS"
    assert site.front.get(f"{path}?t=1").cache == "HIT"
    saved = site.front.get(f"{path}?x=1&download")
    assert (saved.cache, saved.headers["Content-Disposition"][:10]) == ("MISS", "attachment")
    assert site.front.get(f"{path}?download=1").cache == "HIT"


def test_unchanged_is_said_by_the_front_with_all_that_belongs_to_it(site: Site) -> None:
    etag = site.front.get(TURNED).headers["ETag"]
    answer = site.front.get(TURNED, if_none_match=etag)
    assert (answer.status, answer.body, answer.cache) == (304, b"", "HIT")
    assert answer.headers["ETag"] == etag
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_each_kind_of_json_that_accept_asks_for_is_kept(site: Site) -> None:
    path = "/iiif/3/a2-2/info.json"
    for _ in range(2):
        for accept in ("application/json", "application/ld+json"):
            answer = site.front.get(path, accept=accept)
            assert answer.headers["Content-Type"].startswith(accept)
            assert answer.document()["id"] == f"{site.front.address}/iiif/3/a2-2"
    assert site.front.get(path, accept="application/json").cache == "HIT"
    assert site.front.get(path, accept="application/ld+json").cache == "HIT"


def test_an_address_without_a_version_leads_where_accept_says(site: Site) -> None:
    context = 'application/ld+json;profile="http://iiif.io/api/presentation/2/context.json"'
    for _ in range(2):
        newest = site.front.get("/presentation/a1/manifest")
        older = site.front.get("/presentation/a1/manifest", accept=context)
        assert (newest.status, older.status) == (303, 303)
        assert newest.headers["Location"].endswith("/presentation/3/a1/manifest")
        assert older.headers["Location"].endswith("/presentation/2/a1/manifest")


def test_prepared_codings_pass_each_with_its_own_tag(site: Site) -> None:
    path, unpack = (
        "/presentation/3/a/manifest",
        {"br": brotli.decompress, "gzip": gzip.decompress, "identity": bytes},
    )
    bodies, tags = set(), set()
    for _ in range(2):
        for coding, unpacked in unpack.items():
            answer = site.front.get(path, accept_encoding=coding)
            assert answer.headers.get("Content-Encoding", "identity") == coding
            bodies.add(unpacked(answer.body))
            tags.add(answer.headers["ETag"])
    assert (len(bodies), len(tags)) == (1, 3)
    assert not any(tag.startswith("W/") for tag in tags)
    assert site.front.get(path, accept_encoding="br").cache == "HIT"


def test_equal_requests_at_one_time_become_one(site: Site) -> None:
    path = "/iiif/3/b1-1/full/^999,/13.5/default.png"
    with ThreadPoolExecutor(6) as pool:  # a client may ask for eight
        answers = list(pool.map(lambda _: site.front.get(path), range(6)))
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == 1
    assert sum(each.asked()[path] for each in site.nodes) == 1


def test_both_nodes_work_and_each_address_has_its_own(site: Site) -> None:
    paths = [f"/iiif/3/b1-2/0,0,{width},10/{width},/0/default.jpg" for width in range(1, 41)]
    for path in paths:
        for query in ("", "?download"):  # two answers, asked of the same node
            assert site.front.get(path + query).status == 200
    counts = [node.asked() for node in site.nodes]
    asked = [[count[path] for path in paths] for count in counts]
    assert all(sum(each) for each in asked)
    assert {tuple(sorted(pair)) for pair in zip(*asked, strict=True)} == {(0, 2)}


def test_ranges_are_answered_from_what_is_kept(site: Site) -> None:
    whole = site.front.get(TURNED).body
    for path in (TURNED, "/iiif/3/a1-1/full/max/180/default.jpg"):  # one is kept, one is not yet
        part = site.front.get(path, range="bytes=10-19")
        assert (part.status, len(part.body)) == (206, 10)
    assert site.front.get(TURNED, range="bytes=10-19").body == whole[10:20]
    beyond = site.front.get(TURNED, range=f"bytes={len(whole)}-")
    assert beyond.status == 416


def test_pdfs_pass_a_range_at_a_time(site: Site) -> None:
    path = "/presentation/a1/record.pdf"
    whole = site.front.get(path)
    assert (whole.status, whole.body[:5], whole.cache) == (200, b"%PDF-", None)
    part = site.front.get(path, range="bytes=-8")
    assert (part.status, part.body) == (206, whole.body[-8:])


def test_head_makes_no_picture(site: Site) -> None:
    path = render(1)
    head = site.front.get(path, "HEAD")
    assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", None)
    assert site.front.get(path).cache == "MISS"


def test_what_is_asked_with_a_key_is_never_kept(site: Site) -> None:
    for _ in range(2):
        answer = site.front.get(render(2), authorization="Bearer x")
        assert (answer.status, answer.cache) == (200, "BYPASS")
    assert site.front.get(render(2)).cache == "MISS"


def test_pages_pass_in_the_language_of_the_reader(site: Site) -> None:
    for language in ("ja", "en"):
        answer = site.front.get("/", accept_language=language)
        assert (answer.status, answer.headers["Location"]) == (303, f"/{language}/")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/iiif/3/a1-1/0,0,0,0/max/0/default.jpg", 400),
        ("/iiif/3/nobody/full/max/0/default.jpg", 404),
        ("/presentation/3/nobody/manifest", 404),
    ],
)
def test_errors_pass_open_to_all_and_are_not_kept(site: Site, path: str, status: int) -> None:
    for _ in range(2):
        answer = site.front.get(path)
        assert (answer.status, answer.cache) == (status, "MISS")
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_preflights_are_answered(site: Site) -> None:
    answer = site.front.get("/iiif/3/a1-1/info.json", "OPTIONS", origin="https://viewer.example")
    assert answer.headers["Access-Control-Allow-Methods"] == "GET, HEAD, OPTIONS"


# -- forgetting


def test_purging_forgets_what_begins_so_and_nothing_else(site: Site) -> None:
    paths = ["/iiif/3/b1-1/full/50,/0/default.jpg", "/iiif/3/%62%31-1/full/51,/0/gray.jpg"]
    other = "/iiif/3/b1-2/full/50,/0/default.jpg"
    for path in (*paths, other):
        site.front.get(path)
        assert site.front.get(path).cache == "HIT"
    said = site.front.purge("/iiif/3/b1%2D1/")
    assert int(said.split()[1]) >= len(paths)
    assert [site.front.get(path).cache for path in paths] == ["MISS", "MISS"]
    assert [site.front.get(path).cache for path in (*paths, other)] == ["HIT"] * 3


def test_purging_everything_has_to_be_meant(site: Site) -> None:
    with pytest.raises(Exception, match="returned non-zero exit status 2"):
        site.front.purge("/")


def test_operators_get_an_answer_anew_that_is_then_kept(site: Site) -> None:
    path = "/iiif/3/b1-1/full/40,/0/default.jpg"
    site.front.get(path)
    assert site.front.get(path, cache_control="no-cache").cache == "BYPASS"
    assert site.front.get(path).cache == "HIT"


# -- names


@pytest.fixture(scope="module")
def folder_front(nginx: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """A folder whose names hold what addresses must encode, below a prefix."""
    folder, port = tmp_path_factory.mktemp("folder"), free_port()
    for name in ("letters/1921 a.png", "100%.png", "what?.png", "手紙/一.png"):
        path = folder / "scans" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(60, 80))
    settings = {"base_url": f"http://127.0.0.1:{port}/archive", "data": str(folder / "data")}
    with (
        running(1, folder, folder / "scans", **settings) as nodes,
        front(folder / "front", port, [each.port for each in nodes]) as shown,
    ):
        yield shown


@pytest.mark.parametrize(
    ("asked", "identifier"),
    [
        ("letters%2F1921%20a.png", "letters%2F1921%20a.png"),
        ("letters/1921%20a.png", "letters%2F1921%20a.png"),
        ("letters%2f1921%20a", "letters%2F1921%20a.png"),
        ("100%25.png", "100%25.png"),
        ("what%3F.png", "what%3F.png"),
        ("%E6%89%8B%E7%B4%99%2F%E4%B8%80.png", "%E6%89%8B%E7%B4%99%2F%E4%B8%80.png"),
    ],
)
def test_identifiers_arrive_as_they_were_sent(
    folder_front: Front, asked: str, identifier: str
) -> None:
    whole = f"{folder_front.address}/archive/iiif/3/{identifier}"
    answer = folder_front.get(f"/archive/iiif/3/{asked}/info.json")
    assert (answer.status, answer.document()["id"]) == (200, whole)
    base = folder_front.get(f"/archive/iiif/3/{asked}")
    assert base.status == 303
    assert base.headers["Location"].startswith(whole.removesuffix(".png"))
    for _ in range(2):
        tile = folder_front.get(f"/archive/iiif/3/{asked}/0,0,60,80/30,40/0/default.jpg")
        assert (tile.status, tile.headers["Content-Type"]) == (200, "image/jpeg")
    assert tile.cache == "HIT"


def test_two_slashes_are_not_one(folder_front: Front) -> None:
    assert folder_front.get("/archive/iiif/3/letters//1921%20a.png/info.json").status == 404


def test_what_a_client_says_of_itself_changes_no_id(folder_front: Front) -> None:
    answer = folder_front.get(
        "/archive/iiif/2/100%25.png/info.json",
        host="evil.example",
        x_forwarded_host="evil.example",
        x_forwarded_prefix="/evil",
        x_forwarded_proto="https",
    )
    assert answer.document()["@id"] == f"{folder_front.address}/archive/iiif/2/100%25.png"


# -- limits


@pytest.fixture(scope="module")
def strict_front(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """A front that lets nobody ask twice within a minute beyond what comes at once."""
    slow = {"rate=200r/s": "rate=1r/m", "rate=5r/s": "rate=1r/m", "burst=2000": "burst=120"}
    with front(
        tmp_path_factory.mktemp("strict") / "front",
        free_port(),
        [each.port for each in site.nodes],
        replaced={"limits.conf": slow},
    ) as shown:
        yield shown


def test_who_asks_for_too_much_is_told_so_in_words_that_scripts_may_read(
    strict_front: Front,
) -> None:
    answers = [strict_front.get(TURNED) for _ in range(40)]
    refused = [answer for answer in answers if answer.status != 200]
    assert answers[0].status == answers[20].status == 200
    # what is slow may be asked once more each minute
    assert 10 <= len(refused) <= 40 - 21
    assert {answer.status for answer in refused} == {429}
    assert refused[0].document()["status"] == 429
    assert refused[0].headers["Content-Type"] == "application/problem+json"
    assert refused[0].headers["Access-Control-Allow-Origin"] == "*"
    assert refused[0].headers["Retry-After"] == "2"
    assert refused[0].headers["Cache-Control"] == "no-store"
    # tiles are other people's
    assert strict_front.get(TILE).status == 200
    assert strict_front.get("/presentation/a1/record.pdf").status == 429
    assert 429 in {strict_front.get(TILE).status for _ in range(120)}


READER = "Mozilla/5.0 (Linux; Android 12; CUBOT X50) Chrome/120"
CRAWLER = "Mozilla/5.0 (compatible; ExampleBot/2.1; +https://bot.example)"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/iiif/3/a1-1/info.json", 200),
        ("/iiif/3/a1-1/full/!400,400/0/default.jpg", 200),
        ("/presentation/3/a1/manifest", 200),
        (TILE, 403),
        ("/iiif/3/a1-1/full/max/0/default.jpg", 403),
        ("/iiif/2/a1-1/full/full/0/default.jpg", 403),
        ("/presentation/a1/record.pdf", 403),
        ("/en/viewer", 403),
        ("/embed/a1", 403),
    ],
)
def test_crawlers_get_what_robots_txt_allows(site: Site, path: str, status: int) -> None:
    answer = site.front.get(path, user_agent=CRAWLER)
    assert answer.status == status
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert site.front.get(path, user_agent=READER).status == 200


def test_crawlers_of_one_name_share_what_they_may_ask(site: Site, tmp_path: Path) -> None:
    slow = {"zone=crawlers:1m rate=5r/s": "zone=crawlers:1m rate=1r/m", "burst=50": "burst=3"}
    ports = [each.port for each in site.nodes]
    with front(tmp_path / "front", free_port(), ports, replaced={"limits.conf": slow}) as shown:
        agents = [CRAWLER] * 12 + [CRAWLER.replace("ExampleBot", "OtherBot"), READER]
        statuses = [shown.get("/robots.txt", user_agent=agent).status for agent in agents]
    assert statuses[:4] == [200] * 4
    assert statuses[-3:] == [429, 200, 200]


@pytest.fixture(scope="module")
def front_of_others(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """A front for which we are no operators."""
    with front(
        tmp_path_factory.mktemp("others") / "front",
        free_port(),
        [each.port for each in site.nodes],
        replaced={"operators.conf": {"127.0.0.0/8 1;": ""}},
    ) as running:
        yield running


@pytest.mark.parametrize(
    "path", ["/metrics", "/ready", "/archive/metrics", "/%6Detrics", "/metrics/"]
)
def test_what_operators_read_is_not_for_everybody(front_of_others: Front, path: str) -> None:
    answer = front_of_others.get(path)
    assert (answer.status, answer.document()["title"]) == (403, "Forbidden")


@pytest.mark.parametrize("path", ["/metrics", "/ready"])
def test_operators_read_it_through_the_front(site: Site, path: str) -> None:
    assert (site.front.get(path).status, site.front.get(path).cache) == (200, None)


def test_only_operators_ask_past_the_cache(front_of_others: Front) -> None:
    path = "/iiif/3/a2-2/0,0,50,50/25,25/0/default.jpg"
    front_of_others.get(path)
    assert front_of_others.get(path, cache_control="no-cache").cache == "HIT"


def test_lines_in_the_log_name_no_reader(site: Site) -> None:
    site.front.get("/iiif/3/a1-1/info.json?secret=1")
    until = time.monotonic() + DEADLINE_S
    while not (text := site.front.lines.read_text()).endswith("}\n"):
        assert time.monotonic() < until
    lines = [json.loads(line) for line in text.splitlines()]
    assert {line["client"] for line in lines} == {"127.0.0.0"}
    assert "secret" not in text


# -- when what is kept is old


def test_the_old_is_answered_at_once_while_the_new_is_asked_for(
    nginx: None, tmp_path: Path
) -> None:
    with (
        changing(b"old", "public, max-age=1, stale-while-revalidate=600") as node,
        front(tmp_path / "front", free_port(), [node.server_port]) as shown,
    ):
        assert (shown.get("/x").body, shown.get("/x").cache) == (b"old", "HIT")
        node.body = b"new"
        until = time.monotonic() + DEADLINE_S
        while (answer := shown.get("/x")).cache == "HIT":
            assert time.monotonic() < until
            time.sleep(0.1)
        # whoever comes first after that second waits for nothing
        assert (answer.body, answer.cache) == (b"old", "STALE")
        while shown.get("/x").body != b"new":
            assert time.monotonic() < until
            time.sleep(0.1)


# -- when nodes are gone


def test_the_old_is_shown_while_no_node_answers_and_then_no_longer(short_site: Site) -> None:
    small, nodes, shown = short_site
    path, kept = "/iiif/3/a2-1/full/30,/0/default.jpg", "/iiif/3/a1-1/full/30,/0/default.jpg"
    first = shown.get(path)
    assert first.cache == "MISS"

    # what is withdrawn goes, although a stale answer would be quicker
    small.order.remove("a2")
    small.files.clear()
    shutil.rmtree(small.scans / "a2")
    small.write()
    small.publish()
    until = time.monotonic() + DEADLINE_S
    while (answer := shown.get(path)).status == 200:
        assert time.monotonic() < until
        time.sleep(0.2)
    assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (410, "*")

    # one node less: all addresses are answered by the other
    nodes[0].stop()
    for width in range(1, 31):
        assert shown.get(f"/iiif/3/a1-2/full/{width},/0/default.jpg").status == 200

    body = shown.get(kept).body
    nodes[1].stop()
    until = time.monotonic() + DEADLINE_S
    while (answer := shown.get(kept)).cache != "STALE":
        assert time.monotonic() < until
        time.sleep(0.2)
    assert (answer.status, answer.body) == (200, body)
    unknown = shown.get("/iiif/3/a1-1/full/29,/0/default.jpg")
    assert (unknown.status, unknown.headers["Retry-After"]) == (503, "5")
    assert unknown.headers["Access-Control-Allow-Origin"] == "*"
    assert unknown.document()["title"] == "Service Unavailable"
