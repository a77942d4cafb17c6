// One scan in OpenSeadragon, as all our pages show it. Regions are [x, y, width, height] in whole
// pixels of the scan; rotations are quarter turns.
import OpenSeadragon from 'openseadragon';

// OpenSeadragon writes a <style> of its own unless it finds this one, which the pages' policy
// forbids even where it is empty: so it is none of HTML, and only its name is that.
const style = document.createElementNS(null, 'style');
style.setAttribute('data-openseadragon-mobile-css', 'true');
document.head.appendChild(style);

const isCalm = window.matchMedia('(prefers-reduced-motion: reduce)').matches;
const STEP = 1.6;

export function openStage(element, label, { help, failed }) {
  // in place of the library's English sentence, which names an object
  OpenSeadragon.setString('Errors.OpenFailed', failed);
  const viewer = OpenSeadragon({
    element,
    drawer: 'canvas', // browsers allow few WebGL contexts, and a page may show many scans
    crossOriginPolicy: 'Anonymous',
    showNavigationControl: false, // the library's buttons are pictures fetched by address
    showNavigator: false,
    minZoomImageRatio: 0.3,
    maxZoomPixelRatio: 4,
    visibilityRatio: 0.3,
    gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: true },
    gestureSettingsTouch: { pinchRotate: false },
    immediateRender: true,
    animationTime: isCalm ? 0 : 0.8,
    springStiffness: 8,
  });
  const { canvas } = viewer;
  canvas.setAttribute('role', 'application');
  canvas.setAttribute('aria-label', label);
  canvas.setAttribute('aria-description', help);
  viewer.addHandler('canvas-key', (event) => keepOwnKeys(viewer, event));
  viewer.addHandler('canvas-scroll', (event) => letPagePass(viewer, event));
  for (const dragged of ['canvas-drag', 'canvas-drag-end']) {
    viewer.addHandler(dragged, (event) => leavePage(viewer, event));
  }
  let wasWhole = true;
  for (const moved of ['zoom', 'rotate', 'full-page']) {
    viewer.addHandler(moved, () => {
      if (!viewer.isOpen()) return;
      wasWhole = isWhole(viewer);
      letFingersPass(viewer);
    });
  }
  // what was seen whole stays so, in a window of any size; OpenSeadragon zooms after its resizing
  viewer.addHandler('resize', () => {
    if (!wasWhole || !viewer.isOpen()) return;
    viewer.addOnceHandler('viewport-change', () => showRegion(viewer, null, undefined, true));
  });
  return viewer;
}

export function zoomBy(viewer, steps) {
  viewer.viewport.zoomBy(STEP ** steps).applyConstraints();
}

export function zoomToPixels(viewer) {
  viewer.viewport.zoomTo(viewer.viewport.imageToViewportZoom(1)).applyConstraints();
}

export function turn(viewer, degrees) {
  const wasWhole = isWhole(viewer);
  viewer.viewport.setRotation(viewer.viewport.getRotation() + degrees);
  if (wasWhole) showRegion(viewer, null);
  else viewer.viewport.applyConstraints();
}

export function rotation(viewer) {
  return ((Math.round(viewer.viewport.getRotation()) % 360) + 360) % 360;
}

export function size(viewer) {
  const { x, y } = viewer.source.dimensions;
  return [x, y];
}

// Pixels of the screen for each of the scan.
export function scale(viewer) {
  return viewer.viewport.viewportToImageZoom(viewer.viewport.getZoom(true));
}

// What is seen of the scan; null where that is all of it.
export function shownRegion(viewer) {
  const seen = viewer.viewport.getBounds(true).getBoundingBox();
  const { x, y, width, height } = viewer.viewport.viewportToImageRectangle(seen);
  const [across, down] = size(viewer);
  const left = Math.min(Math.max(0, Math.round(x)), across - 1);
  const top = Math.min(Math.max(0, Math.round(y)), down - 1);
  const right = Math.max(left + 1, Math.min(across, Math.round(x + width)));
  const bottom = Math.max(top + 1, Math.min(down, Math.round(y + height)));
  const isAll = right - left === across && bottom - top === down;
  return isAll ? null : [left, top, right - left, bottom - top];
}

export function showRegion(viewer, region, degrees, immediately = isCalm) {
  const { viewport } = viewer;
  if (degrees !== undefined) viewport.setRotation(degrees, immediately);
  const rect = viewport.imageToViewportRectangle(...(region ?? [0, 0, ...size(viewer)]));
  viewport.zoomTo(fitting(viewer, rect), null, immediately).panTo(rect.getCenter(), immediately);
}

function isWhole(viewer) {
  const [width, height] = size(viewer);
  const rect = viewer.viewport.imageToViewportRectangle(0, 0, width, height);
  return viewer.viewport.getZoom() <= fitting(viewer, rect) * 1.01;
}

// The zoom at which *rect*, turned as the viewport is, just fits.
function fitting(viewer, rect) {
  const isTurned = rotation(viewer) % 180 !== 0;
  const [across, down] = isTurned ? [rect.height, rect.width] : [rect.width, rect.height];
  return 1 / Math.max(across, down * viewer.viewport.getAspectRatio());
}

const KEYS = {
  0: (viewer) => showRegion(viewer, null),
  r: (viewer) => turn(viewer, 90),
  R: (viewer) => turn(viewer, -90),
  f() {}, // a mirrored page helps nobody
  F() {},
};

function keepOwnKeys(viewer, event) {
  const { key, ctrlKey, metaKey, altKey } = event.originalEvent;
  if (!(key in KEYS) || ctrlKey || metaKey || altKey) return;
  KEYS[key](viewer);
  event.preventDefaultAction = true;
}

// Nobody is caught on the way down the page: scrolling away from a scan that is seen whole goes on.
function letPagePass(viewer, event) {
  if (event.scroll < 0 && isWhole(viewer)) {
    event.preventDefaultAction = true;
    event.preventDefault = false;
  }
}

// ... and a finger that scrolls the page takes nothing of the scan with it.
function leavePage(viewer, event) {
  if (event.pointerType === 'touch' && isWhole(viewer)) event.preventDefaultAction = true;
}

function letFingersPass(viewer) {
  const action = isWhole(viewer) && !document.fullscreenElement ? 'pan-y' : 'none';
  for (const element of [viewer.canvas, viewer.container]) element.style.touchAction = action;
}
