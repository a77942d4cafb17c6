// One image in OpenSeadragon, with buttons of our own: the library's are pictures fetched by address.
import OpenSeadragon from 'openseadragon';

import { settings } from './settings.js';

// OpenSeadragon writes a <style> of its own unless it finds this one; the page's policy forbids it
const style = document.createElement('style');
style.setAttribute('data-openseadragon-mobile-css', 'true');
document.head.appendChild(style);

const viewer = OpenSeadragon({
  id: 'viewer',
  tileSources: [settings.image],
  crossOriginPolicy: 'Anonymous',
  showNavigationControl: false,
  showNavigator: true,
  navigatorPosition: 'BOTTOM_RIGHT',
  maxZoomPixelRatio: 2,
  gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: true },
  gestureSettingsTouch: { pinchRotate: false },
  immediateRender: true,
  animationTime: window.matchMedia('(prefers-reduced-motion: reduce)').matches ? 0 : 0.8,
});

const actions = {
  in: () => viewer.viewport.zoomBy(1.6),
  out: () => viewer.viewport.zoomBy(1 / 1.6),
  full: () => viewer.viewport.zoomTo(viewer.viewport.imageToViewportZoom(1)),
  home: () => viewer.viewport.goHome(),
  rotate: () => viewer.viewport.setRotation(viewer.viewport.getRotation() + 90),
};

document.querySelectorAll('[data-zoom]').forEach((button) => {
  button.addEventListener('click', () => {
    actions[button.dataset.zoom]();
    viewer.viewport.applyConstraints();
  });
});

const message = document.getElementById('viewer-message');
viewer.addHandler('open-failed', () => { message.hidden = false; });
