// The zoom of a record: one page at a time, its buttons, and what can be taken along of it.
import { addressWith, keepAddress } from './address.js';
import { encodeState } from './contentstate.js';
import { copyFrom } from './copying.js';
import { measure } from './ruler.js';
import {
  openStage, rotation, scale, showRegion, shownRegion, size, turn, zoomBy, zoomToPixels,
} from './stage.js';

const SETTLED_MS = 150;

export function zoomBlock(root, settings) {
  const { pages, texts, language } = settings;
  const part = (name) => root.querySelector(`[data-part="${name}"]`);
  const [stage, strip, status, ruler] = ['stage', 'strip', 'status', 'ruler'].map(part);
  const viewer = openStage(stage, texts.stage, texts);
  const adjusted = new Map();
  let shown = settings.shown;
  let wanted = settings;

  const page = () => pages[shown];
  const say = (text) => { status.textContent = text; };
  const percent = () => scale(viewer).toLocaleString(language, { style: 'percent' });

  // -- pages

  function open(index, view) {
    if (!pages[index]) return;
    shown = index;
    wanted = view;
    delete root.dataset.ready;
    viewer.open(`${page().service}/info.json`);
    part('number').textContent = texts.page
      .replace('{page}', (index + 1).toLocaleString(language))
      .replace('{pages}', pages.length.toLocaleString(language));
    for (const [action, missing] of [['previous', index === 0], ['next', !pages[index + 1]]]) {
      root.querySelector(`[data-action="${action}"]`).disabled = missing;
    }
    strip?.querySelectorAll('a').forEach((link, each) => {
      link.toggleAttribute('aria-current', each === index);
      if (each !== index) return;
      link.setAttribute('aria-current', 'true');
      // not scrollIntoView, which would move the whole page
      const { offsetLeft, offsetWidth } = link.parentElement;
      strip.scrollLeft = offsetLeft + offsetWidth / 2 - strip.clientWidth / 2;
    });
  }

  function go(steps) {
    open(shown + steps, {});
    say(`${part('number').textContent} ${page().label}`);
  }

  viewer.addHandler('open', () => {
    showRegion(viewer, wanted.region, wanted.rotation ?? 0, true);
    viewer.world.getItemAt(0).addOnceHandler('fully-loaded-change', () => {
      part('still').hidden = true;
      root.dataset.ready = 'true';
    });
    settle();
  });
  viewer.addHandler('open-failed', () => say(texts.failed));

  // -- where one is, told to whoever needs to know

  let told;
  let settling;
  function settle() {
    clearTimeout(settling);
    settling = setTimeout(settled, SETTLED_MS);
  }

  function settled() {
    if (!viewer.isOpen()) return;
    const region = shownRegion(viewer);
    root.dataset.view = region ?? [0, 0, ...size(viewer)];
    root.dataset.rotation = rotation(viewer);
    part('scale').textContent = percent();
    for (const [name, value] of Object.entries(values(region))) {
      const field = root.querySelector(`[data-field="${name}"]`);
      if (field instanceof HTMLAnchorElement) field.href = value;
      else if (field) field.value = value;
    }
    listSizes();
    if (settings.keeps_address) {
      const address = withView(window.location.href, region);
      // not before something has moved: an address that was sent to somebody stays as it is
      if (told && address !== told) keepAddress(address);
      told = address;
    }
  }

  function withView(address, region) {
    return addressWith(address, {
      canvas: pages.length > 1 ? page().page : undefined,
      xywh: region?.join(),
      rotation: rotation(viewer) || undefined,
      'iiif-content': undefined,
    });
  }

  function values(region) {
    const { service, canvas } = page();
    const pixels = `${region ?? 'full'}/max/${rotation(viewer)}/default.jpg`;
    const state = encodeState(settings.manifest, canvas, region);
    const link = withView(settings.link, region);
    return {
      link,
      state: `${settings.viewer}?iiif-content=${state}`,
      mirador: `${settings.viewer}?iiif-content=${state}`,
      embed: settings.embed_code.replace(inHtml(settings.embed), inHtml(withView(settings.embed, region))),
      citation: settings.citation.replace(settings.link, link),
      address: `${service}/${pixels}`,
      region: `${service}/${pixels}`,
      information: `${service}/info.json`,
      iiif: `${settings.viewer}?manifest=${settings.manifest}&canvas=${canvas}`,
      compare: `${settings.compare}?canvas=${settings.record}/${page().page}`,
    };
  }

  function inHtml(address) {
    return address.replaceAll('&', '&amp;');
  }

  function listSizes() {
    const [width, height] = size(viewer);
    const list = part('sizes');
    if (list.dataset.of === page().service) return;
    list.dataset.of = page().service;
    const listed = (viewer.source.sizes ?? []).map((each) => [each.width, each.height]);
    const whole = [...listed.filter(([across]) => across < width), [width, height]];
    list.replaceChildren(...whole.map(([across, down]) => {
      const link = document.createElement('a');
      const name = across === width ? 'max' : `${across},${down}`;
      link.href = `${page().service}/full/${name}/0/default.jpg`;
      link.download = '';
      link.textContent = [across, down].map((side) => side.toLocaleString(language)).join(' × ');
      const item = document.createElement('li');
      item.append(link);
      return item;
    }));
  }

  for (const moved of ['animation-finish', 'rotate', 'resize', 'full-page']) {
    viewer.addHandler(moved, settle);
  }
  viewer.addHandler('update-viewport', () => {
    const { mm, width } = page();
    measure(ruler, mm && mm / width / scale(viewer), language);
  });

  // -- buttons

  function adjust(name, value) {
    adjusted.set(name, value);
    const filters = [...adjusted].filter(([, amount]) => amount !== undefined);
    const css = filters.map(([filter, amount]) => `${filter}(${amount})`).join(' ');
    // on what is drawn only: a mat that is inverted too would dazzle
    viewer.drawer.canvas.style.filter = css;
    part('still').style.filter = css;
  }

  function invert(button) {
    const isOn = button.getAttribute('aria-pressed') !== 'true';
    button.setAttribute('aria-pressed', isOn);
    adjust('invert', isOn ? 1 : undefined);
  }

  function reset() {
    root.querySelectorAll('[data-adjust]').forEach((input) => { input.value = 1; });
    root.querySelector('[data-action="invert"]').setAttribute('aria-pressed', 'false');
    for (const name of adjusted.keys()) adjust(name, undefined);
  }

  function copy(name) {
    copyFrom(root.querySelector(`[data-field="${name}"]`), say, texts);
  }

  function fillScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else if (document.fullscreenEnabled) root.requestFullscreen();
    else root.classList.toggle('filling'); // telephones that let only films fill the screen
  }

  const actions = {
    in: () => zoomBy(viewer, 1),
    out: () => zoomBy(viewer, -1),
    full: () => zoomToPixels(viewer),
    whole: () => showRegion(viewer, null),
    left: () => turn(viewer, -90),
    right: () => turn(viewer, 90),
    previous: () => go(-1),
    next: () => go(1),
    screen: fillScreen,
    reset,
    invert,
  };

  root.addEventListener('click', (event) => {
    const button = event.target.closest('[data-action]');
    const link = event.target.closest('[data-part="strip"] a');
    if (button) (actions[button.dataset.action] ?? (() => copy(button.dataset.action)))(button);
    if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      event.preventDefault();
      go(pages.findIndex((each) => each.page === link.dataset.page) - shown);
    }
  });
  root.addEventListener('input', ({ target }) => {
    if (target.dataset.adjust) adjust(target.dataset.adjust, target.value);
  });
  root.addEventListener('keydown', ({ key, target }) => {
    const panel = target.closest('details[open]');
    if (key !== 'Escape' || !panel) return;
    panel.open = false;
    panel.querySelector('summary').focus();
  });
  viewer.addHandler('canvas-key', ({ originalEvent: { key } }) => {
    if (key === 'PageDown') go(1);
    if (key === 'PageUp') go(-1);
  });
  part('iiif')?.addEventListener('dragstart', ({ dataTransfer, currentTarget }) => {
    dataTransfer.setData('text/uri-list', currentTarget.href);
    dataTransfer.setData('text/plain', currentTarget.href);
  });

  open(shown, settings);
}
