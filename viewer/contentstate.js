// A place in what is published, as text for an address:
// https://iiif.io/api/content-state/1.0/#6-content-state-encoding
export function encodeState(manifest, canvas, region) {
  const state = JSON.stringify({
    id: region ? `${canvas}#xywh=${region}` : canvas,
    type: 'Canvas',
    partOf: [{ id: manifest, type: 'Manifest' }],
  });
  const encoded = btoa(encodeURIComponent(state));
  return encoded.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}
