"""The way of a visitor through the exhibition, to every pixel of a scan, and back by a link."""

from __future__ import annotations

import io
import re

import pytest
from exhibited import EXHIBITION, LANGUAGES, fetch, plain
from PIL import Image, ImageChops, ImageStat
from places import KINDS
from playwright.sync_api import expect
from seen import READY, load_images, view_of

pytestmark = pytest.mark.browser

RECORD = f"/{{language}}/{EXHIBITION}/record/ch05-05"
STAGE = "#zoom [data-part=stage]"
MAX_DIFFERENCE = 12
"""Mean of two pictures of one region, in 255 steps: one scaled by us, one by the browser."""


def act(page, action):
    """Press one of the viewer's buttons."""
    page.locator(f"#zoom [data-action={action}]").first.click()


def moved(page, action):
    """Press a button that moves the picture; return the region that is then shown."""
    before = page.locator("#zoom").get_attribute("data-view")
    act(page, action)
    expect(page.locator("#zoom")).not_to_have_attribute("data-view", before)
    return view_of(page)


def shared_link(page):
    """Return the address of exactly what is shown, as "copy link" gives it."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    open_panel_of(page, "link")
    act(page, "link")
    return page.evaluate("navigator.clipboard.readText()")


def open_panel_of(page, action):
    """Make the button of *action* visible: it may stand in a panel that has to be opened."""
    button = page.locator(f"#zoom [data-action={action}]").first
    if not button.is_visible():
        page.locator(f"details:has([data-action={action}]) > summary").click()


def assert_shows(page, demo, image, view):
    """Compare what is on the screen with what the Image API answers for that region."""
    x, y, width, height = view
    stage = page.locator(STAGE)
    on_screen = Image.open(io.BytesIO(stage.screenshot())).convert("RGB")
    asked = f"{demo}/iiif/3/{image}/{x},{y},{width},{height}/!800,800/0/default.png"
    truth = Image.open(io.BytesIO(fetch(asked))).convert("RGB")
    # the middle, where no button or ruler lies above the picture
    middle = [_middle(each.resize((300, 300))) for each in (on_screen, truth)]
    difference = ImageStat.Stat(ImageChops.difference(*middle).convert("L")).mean[0]
    assert difference < MAX_DIFFERENCE


def _middle(picture):
    return picture.crop((75, 75, 225, 225))


def test_from_the_first_page_to_every_pixel_and_back_by_a_shared_link(
    demo, chapter, record, visit, shot
):
    page = visit(demo, "/", locale="en-GB")
    expect(page).to_have_url(f"{demo}/en/")
    page.get_by_role("link", name=chapter.label("en")).first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(chapter.label("en"))
    page.get_by_role("link", name=record.label("en")).first.click()
    expect(page).to_have_url(f"{demo}{RECORD.format(language='en')}")
    whole = view_of(page)
    width, height = record.size
    assert whole[2] >= width or whole[3] >= height
    near = moved(page, "full")
    assert near[2] < width
    assert near[3] < height
    box = page.locator(STAGE).bounding_box()
    assert near[2] == pytest.approx(box["width"], rel=0.02), "not one pixel of the scan a pixel"
    assert_shows(page, demo, record.images[0], near)
    shot(page, "record-full-resolution")

    link = shared_link(page)
    assert link.startswith(f"{demo}/")
    other = visit(demo, link.removeprefix(demo))
    assert view_of(other) == pytest.approx(near, abs=4)
    assert_shows(other, demo, record.images[0], near)


def test_a_link_in_another_window_shows_the_same_region(demo, record, visit):
    page = visit(demo, f"{RECORD.format(language='en')}?canvas=2&xywh=600,800,900,600", 390)
    x, y, width, height = view_of(page)
    assert x <= 604
    assert y <= 804
    assert x + width >= 1496
    assert y + height >= 1396
    assert min(width / 900, height / 600) == pytest.approx(1, rel=0.05), "not as near as it may be"
    current = page.locator("#zoom [data-part=strip] [aria-current=true]")
    expect(current).to_have_attribute("data-page", "2")


def test_a_turned_view_is_shared_turned(demo, visit):
    page = visit(demo, RECORD.format(language="en"))
    view_of(page)
    act(page, "right")
    expect(page.locator("#zoom")).to_have_attribute("data-rotation", "90")
    other = visit(demo, shared_link(page).removeprefix(demo))
    other.wait_for_selector(READY)
    expect(other.locator("#zoom")).to_have_attribute("data-rotation", "90")


def test_the_language_switch_keeps_the_region_in_sight(demo, visit):
    page = visit(demo, f"{RECORD.format(language='en')}?canvas=2&xywh=600,800,900,600")
    before = view_of(page)
    page.get_by_role("link", name="日本語").first.click()
    expect(page.locator("html")).to_have_attribute("lang", "ja")
    # another script's header is of another height, and so is the window on the scan
    assert view_of(page) == pytest.approx(before, abs=0.02 * before[2])
    current = page.locator("#zoom [data-part=strip] [aria-current=true]")
    expect(current).to_have_attribute("data-page", "2")


@pytest.mark.parametrize("name", ["home", "chapter", "record", "agents", "about", "compare"])
def test_the_language_switch_leads_to_the_same_page(demo, visit, name):
    path = KINDS[name].path
    page = visit(demo, path.format(language="en"))
    for language, autonym in [("ja", "日本語"), ("mn", "Монгол"), ("en", "English")]:
        page.get_by_role("link", name=autonym).first.click()
        expect(page.locator("html")).to_have_attribute("lang", language)
        wanted = demo + path.format(language=language)
        assert page.url.replace("%2F", "/").startswith(wanted)


@pytest.mark.parametrize("language", LANGUAGES)
def test_without_scripts_a_record_shows_all_its_text_and_pages(demo, record, visit, shot, language):
    page = visit(demo, RECORD.format(language=language), java_script_enabled=False)
    text = plain(page.locator("main").inner_text())
    missing = [each for each in record.texts(language) if each not in text]
    assert missing == []
    for image in record.images:
        picture = page.locator(f"main img[src*='/{image}/']").first
        picture.scroll_into_view_if_needed()
        expect(picture).to_be_visible()
        expect(picture).to_have_js_property("complete", True)
        assert picture.evaluate("(image) => image.naturalWidth") > 300
    shot(page, f"record-without-scripts-{language}")


def test_without_scripts_the_way_leads_on(demo, chapter, visit):
    page = visit(demo, "/en/", java_script_enabled=False)
    page.get_by_role("link", name=chapter.label("en")).first.click()
    records = page.locator("main a[href*='/record/']")
    addresses = {link.get_attribute("href") for link in records.all()}
    assert len({address.rpartition("/")[2] for address in addresses}) >= 11
    records.first.click()
    expect(page.locator("main img").first).to_be_visible()


def test_by_keyboard_alone_a_record_is_reached_and_enlarged(demo, record, visit):
    page = visit(demo, "/en/")
    page.keyboard.press("Tab")
    skip = page.locator(":focus")
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("#" + page.locator("main").get_attribute("id") + "$"))
    tab_to(page, "a[href$='/ch05/']")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/ch05/$"))
    tab_to(page, "a[href$='/record/ch05-05']")
    page.keyboard.press("Enter")
    whole = view_of(page)
    tab_to(page, "#zoom [data-action=in]")
    page.keyboard.press("Enter")
    expect(page.locator("#zoom")).not_to_have_attribute("data-view", ",".join(map(str, whole)))
    nearer = view_of(page)
    assert nearer[2] * nearer[3] < whole[2] * whole[3]
    tab_to(page, "#zoom [data-part=strip] a[data-page='2']")
    page.keyboard.press("Enter")
    current = page.locator("#zoom [data-part=strip] [aria-current=true]")
    expect(current).to_have_attribute("data-page", "2")


def tab_to(page, selector):
    """Press Tab until *selector* has the focus; every stop on the way must be seen to have it."""
    for _ in range(150):
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        if focused.count() == 0:
            continue  # beyond the page's last stop a browser has some of its own
        expect(focused).to_be_in_viewport()
        assert _shows_focus(focused), focused.evaluate("(it) => it.outerHTML.slice(0, 200)")
        if focused.evaluate("(it, selector) => it.matches(selector)", selector):
            return
    pytest.fail(f"Tab never comes to {selector}")


def _shows_focus(focused):
    """Tell whether a reader sees that *focused* has the focus (WCAG 2.4.7)."""
    return focused.evaluate("""(it) => {
      const shown = [it, ...it.querySelectorAll('*'), it.parentElement].some((each) => {
        const style = getComputedStyle(each);
        return (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1)
          || style.boxShadow !== 'none';
      });
      const { width, height } = it.getBoundingClientRect();
      return shown && width > 0 && height > 0;
    }""")


@pytest.mark.parametrize(("wish", "moves"), [("reduce", False), ("no-preference", True)])
def test_nothing_glides_where_the_reader_wants_no_motion(demo, visit, wish, moves):
    page = visit(demo, KINDS["chapter"].path.format(language="en"), reduced_motion=wish)
    scrolling = page.evaluate("getComputedStyle(document.documentElement).scrollBehavior")
    lasting = page.evaluate(
        "getComputedStyle(document.querySelector('.card img')).transitionDuration"
    )
    assert (scrolling, lasting) == (("smooth", "0.3s") if moves else ("auto", "0s"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_on_a_telephone_the_tools_stand_in_two_rows(demo, visit, language):
    page = visit(demo, RECORD.format(language=language), 390)
    tools = page.locator("#zoom .tools :is(button, summary, .links a):visible")
    middles = tools.evaluate_all(
        "(all) => all.map((it) => it.getBoundingClientRect()).map((at) => at.y + at.height / 2)"
    )
    assert len(middles) == 14  # view, turning, panels, pages, and what leads on
    assert len({round(middle) for middle in middles}) == 2


def test_arrow_keys_and_plus_move_and_enlarge_the_picture(demo, visit):
    page = visit(demo, RECORD.format(language="en"))
    whole = view_of(page)
    page.locator(f"{STAGE} [tabindex='0']").first.focus()
    for _ in range(3):
        near = _after_key(page, "+")
    assert near[3] < whole[3]
    assert _after_key(page, "ArrowDown")[1] > near[1]


def _after_key(page, key):
    """Press a key; return the region that is shown when the picture has moved."""
    before = page.locator("#zoom").get_attribute("data-view")
    page.keyboard.press(key)
    expect(page.locator("#zoom")).not_to_have_attribute("data-view", before)
    return view_of(page)


@pytest.mark.parametrize("name", ["home", "chapter", "record"])
def test_printed_a_page_is_black_on_white_and_has_its_pictures(demo, visit, shot, name):
    page = visit(demo, KINDS[name].path.format(language="en"))
    assert load_images(page) == []
    page.emulate_media(media="print", color_scheme="dark")
    assert _darkness(page, "backgroundColor") < 0.05
    assert _darkness(page, "color") > 0.8
    expect(page.locator("nav:visible")).to_have_count(0)
    expect(page.locator("main img:visible").first).to_be_visible()
    shot(page, f"{name}-printed")


def _darkness(page, property_name):
    css = page.evaluate(f"getComputedStyle(document.body).{property_name}")
    red, green, blue, *alpha = (float(number) for number in re.findall(r"[0-9.]+", css))
    return 0 if alpha == [0] else 1 - (red + green + blue) / 765
