// What the server wrote into the page for its viewer: plain JSON, so that no script stands inline.
export const settings = JSON.parse(document.getElementById('viewer-settings').textContent);
