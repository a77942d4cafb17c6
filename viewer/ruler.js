// A bar of a round length, where it is known how large the page is.
const MOST_PIXELS = 130;
const UNITS = [
  [1000, 'meter'],
  [10, 'centimeter'],
  [1, 'millimeter'],
];

// Show on *bar* a length in a picture of which one pixel of the screen shows *millimetres*.
export function measure(bar, millimetres, language) {
  bar.hidden = !millimetres;
  if (!millimetres) return;
  const length = roundLength(MOST_PIXELS * millimetres);
  const [factor, unit] = UNITS.find(([least]) => length >= least) ?? UNITS.at(-1);
  bar.style.width = `${length / millimetres}px`;
  bar.textContent = new Intl.NumberFormat(language, { style: 'unit', unit }).format(length / factor);
}

// The largest of 1, 2, 5, 10, 20, ... that is at most *most*.
function roundLength(most) {
  const power = 10 ** Math.floor(Math.log10(most));
  return power * [5, 2, 1].find((digit) => digit * power <= most);
}
