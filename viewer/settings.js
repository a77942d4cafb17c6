// What the server wrote into the page for its viewer: plain JSON, so that no script stands inline.
export function settingsOf(id) {
  return JSON.parse(document.getElementById(id).textContent);
}
