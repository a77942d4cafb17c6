// The script of the pages that show scans: whichever of these blocks stands on the page.
import { zoomBlock } from './block.js';
import { compareBlock } from './compare.js';
import { settingsOf } from './settings.js';

const zoom = document.getElementById('zoom');
if (zoom) zoomBlock(zoom, settingsOf('zoom-settings'));

const compare = document.getElementById('compare');
if (compare) compareBlock(compare, settingsOf('compare-settings'));
