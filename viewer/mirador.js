// The Mirador page. The server says what to open (settings); how our workspace looks is decided here.
import { settings as defaults, viewer } from 'mirador';
import { miradorImageToolsPlugin as imageTools } from 'mirador-image-tools';
import { useEffect } from 'react';

import { settingsOf } from './settings.js';
import japanese from './texts/mirador-ja.json';
import mongolian from './texts/mirador-mn.json';
import russian from './texts/mirador-ru.json';

const settings = settingsOf('viewer-settings');
const wide = window.matchMedia('(min-width: 60rem)').matches;
const dark = window.matchMedia('(prefers-color-scheme: dark)').matches;

// Only fonts of the reader's machine: nothing is fetched. Without its own "locl" Japanese face first,
// Han characters would be drawn in the forms of another country.
const japaneseFaces = ['Hiragino Sans', 'Yu Gothic', 'Noto Sans CJK JP', 'Noto Sans JP'];
const fontFamily = ['system-ui', ...japaneseFaces, 'Noto Sans', 'Mongolian', 'sans-serif']
  .map((name) => (name.includes(' ') ? `"${name}"` : name))
  .join(', ');

// The library below Mirador names ranges in English, whatever the interface's language: so each is
// given the reader's language alone, before it reaches Mirador.
const ofReader = (tag) => tag.split('-')[0] === settings.language.split('-')[0];

function nameRange(range) {
  const tag = Object.keys(range.label ?? {}).find(ofReader);
  return {
    ...range,
    ...(tag ? { label: { none: range.label[tag] } } : {}),
    ...(range.items ? { items: range.items.map(nameItem) } : {}),
  };
}

function nameItem(item) {
  return item.type === 'Range' ? nameRange(item) : item;
}

function nameRanges(url, action) {
  const manifest = action.manifestJson;
  if (!manifest?.structures || manifest.type !== 'Manifest') return action;
  return {
    ...action,
    manifestJson: { ...manifest, structures: manifest.structures.map(nameRange) },
  };
}

// i18next would print an advertisement into the console
globalThis.__i18next_supportNoticeShown = true;

const opened = settings.windows.map(({ manifest, canvas }, index) => ({
  id: `window-${index}`,
  manifestId: manifest,
  ...(canvas ? { canvasId: canvas } : {}),
  thumbnailNavigationPosition: 'far-bottom',
}));

// Mirador forgets which region a window is to begin with as soon as it opens its Canvas: so it is
// shown after the first tile, when Mirador has shown the whole.
const regions = new Map(opened.map(({ id }, index) => [id, settings.windows[index].region]));

function Beginning({ viewer: shown, windowId }) {
  useEffect(() => {
    const region = regions.get(windowId);
    if (!shown || !region) return;
    regions.delete(windowId);
    shown.addOnceHandler('tile-loaded', () => {
      const [x, y, width, height] = region;
      // a rectangle of Mirador's own OpenSeadragon, which is another version than ours
      shown.viewport.fitBounds(Object.assign(shown.viewport.getBounds(), { x, y, width, height }));
    });
  }, [shown, windowId]);
  return null;
}

viewer({
  id: 'viewer',
  // labels follow this language; interface texts that Mirador lacks in it appear in English
  language: settings.language,
  availableLanguages: { ...defaults.availableLanguages, ...settings.languages },
  translations: { ja: japanese.texts, mn: mongolian.texts, ru: russian.texts },
  selectedTheme: dark ? 'dark' : 'light',
  theme: { typography: { fontFamily } },
  window: {
    allowFullscreen: true,
    sideBarOpen: wide,
    sideBarPanel: 'canvas', // the index: a tree where the Manifest has ranges, else a list
    defaultSidebarPanelWidth: 300,
    imageToolsEnabled: true,
    imageToolsOpen: false,
  },
  thumbnailNavigation: { defaultPosition: 'far-bottom', height: 120 },
  // pages of one record differ in size: each is opened whole, wherever the last one was left
  osdConfig: { preserveViewport: false },
  requests: { postprocessors: [nameRanges] },
  workspace: { showZoomControls: true, isWorkspaceAddVisible: opened.length === 0 },
  windows: opened,
  catalog: settings.catalog.map((manifestId) => ({ manifestId })),
}, [...imageTools, { component: Beginning, mode: 'add', target: 'OpenSeadragonViewer' }]);
