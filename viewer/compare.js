// Pages side by side, each in a pane; together they are moved as if they lay on one table.
import { addressWith, keepAddress } from './address.js';
import { copyFrom } from './copying.js';
import {
  openStage, rotation, showRegion, shownRegion, size, turn, zoomBy,
} from './stage.js';

const SETTLED_MS = 150;

export function compareBlock(root, settings) {
  const { texts } = settings;
  const together = root.querySelector('[data-action="together"]');
  const link = root.querySelector('[data-field="link"]');
  const status = root.querySelector('[data-part="status"]');
  const say = (text) => { status.textContent = text; };
  const panes = [...root.querySelectorAll('[data-part="pane"]')].map((pane, index) => {
    const about = settings.panes[index];
    const viewer = openStage(pane.querySelector('[data-part="stage"]'), about.label, texts);
    viewer.addHandler('open', () => {
      showRegion(viewer, about.region, settings.rotation, true);
      viewer.world.getItemAt(0).addOnceHandler('fully-loaded-change', () => {
        pane.querySelector('[data-part="still"]').hidden = true;
        pane.dataset.ready = 'true';
      });
      settle();
    });
    viewer.addHandler('open-failed', () => say(texts.failed));
    viewer.open(`${about.service}/info.json`);
    return { pane, viewer };
  });

  // -- together

  let leader; // the pane that a reader moves: the others follow it, and do not lead in turn
  const before = new Map();
  const place = ({ viewport }) => ({ center: viewport.getCenter(true), zoom: viewport.getZoom(true) });
  const across = ({ viewport }, zoom) => zoom * viewport.getContainerSize().x;

  function follow({ viewer }) {
    const was = before.get(viewer);
    const now = place(viewer);
    before.set(viewer, now);
    if (!together.checked || !was || leader !== viewer) return;
    for (const { viewer: other } of panes) {
      if (other === viewer || !other.isOpen()) continue;
      const { center, zoom } = place(other);
      const next = zoom * (now.zoom / was.zoom);
      // as many pixels of the screen as the leader went
      const moved = now.center.minus(was.center).times(across(viewer, now.zoom) / across(other, next));
      other.viewport.zoomTo(next, null, true).panTo(center.plus(moved), true);
    }
  }

  for (const each of panes) {
    const { viewer } = each;
    const lead = () => { leader = viewer; };
    for (const touched of ['canvas-press', 'canvas-scroll', 'canvas-key', 'canvas-pinch']) {
      viewer.addHandler(touched, lead);
    }
    viewer.addHandler('update-viewport', () => follow(each));
    viewer.addHandler('animation-finish', settle);
    viewer.addHandler('rotate', settle);
  }

  // -- the address

  let settling;
  function settle() {
    clearTimeout(settling);
    settling = setTimeout(settled, SETTLED_MS);
  }

  function settled() {
    if (!panes.every(({ viewer }) => viewer.isOpen())) return;
    const regions = panes.map(({ viewer }) => shownRegion(viewer));
    const address = addressWith(window.location.href, {
      canvas: settings.panes.map(({ canvas }) => canvas),
      'iiif-content': undefined,
      xywh: regions.some(Boolean) ? regions.map((region) => region?.join() ?? '') : undefined,
      rotation: rotation(panes[0].viewer) || undefined,
      together: together.checked ? undefined : '0',
    });
    keepAddress(address);
    link.value = address;
    panes.forEach(({ pane, viewer }, index) => {
      pane.dataset.view = regions[index] ?? [0, 0, ...size(viewer)];
    });
    root.dataset.ready = 'true';
  }

  together.addEventListener('change', settle);

  // -- buttons, which move all panes alike

  const all = (action) => () => {
    leader = undefined;
    panes.forEach(({ viewer }) => action(viewer));
  };
  const actions = {
    in: all((viewer) => zoomBy(viewer, 1)),
    out: all((viewer) => zoomBy(viewer, -1)),
    whole: all((viewer) => showRegion(viewer, null)),
    right: all((viewer) => turn(viewer, 90)),
    link: () => copyFrom(link, say, texts),
  };

  root.addEventListener('click', ({ target }) => {
    actions[target.closest('button[data-action]')?.dataset.action]?.();
  });
}
