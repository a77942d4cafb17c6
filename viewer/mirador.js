// The Mirador page. The server says what to open (settings); how our workspace looks is decided here.
import { settings as defaults, viewer } from 'mirador/src';

import { settings } from './settings.js';

const wide = window.matchMedia('(min-width: 60rem)').matches;
const dark = window.matchMedia('(prefers-color-scheme: dark)').matches;

// Only fonts of the reader's machine: nothing is fetched. Without its own "locl" Japanese face first,
// Han characters would be drawn in the forms of another country.
const japanese = ['Hiragino Sans', 'Yu Gothic', 'Noto Sans CJK JP', 'Noto Sans JP'];
const fontFamily = ['system-ui', ...japanese, 'Noto Sans', 'sans-serif']
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

const opened = settings.manifest
  ? [{
    manifestId: settings.manifest,
    ...(settings.canvas ? { canvasId: settings.canvas } : {}),
    thumbnailNavigationPosition: 'far-bottom',
  }]
  : [];

viewer({
  id: 'viewer',
  // labels follow this language; interface texts that Mirador lacks in it appear in English
  language: settings.language,
  availableLanguages: { ...settings.languages, ...defaults.availableLanguages },
  selectedTheme: dark ? 'dark' : 'light',
  theme: { typography: { fontFamily } },
  window: {
    allowFullscreen: true,
    sideBarOpen: wide,
    sideBarPanel: 'canvas', // the index: a tree where the Manifest has ranges, else a list
    defaultSidebarPanelWidth: 300,
  },
  thumbnailNavigation: { defaultPosition: 'far-bottom', height: 120 },
  // pages of one record differ in size: each is opened whole, wherever the last one was left
  osdConfig: { preserveViewport: false },
  requests: { postprocessors: [nameRanges] },
  workspace: { showZoomControls: true, isWorkspaceAddVisible: opened.length === 0 },
  windows: opened,
  catalog: settings.catalog.map((manifestId) => ({ manifestId })),
});
