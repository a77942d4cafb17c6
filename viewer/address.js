// The address of the page says what is seen, so that it can be kept, sent and opened again.

// Return *base* with *parameters* in place of those of the same names; undefined takes one away.
export function addressWith(base, parameters) {
  const url = new URL(base, window.location.href);
  for (const [name, value] of Object.entries(parameters)) {
    url.searchParams.delete(name);
    for (const each of [value].flat()) {
      if (each !== undefined) url.searchParams.append(name, each);
    }
  }
  // these may stand in a query, and are easier to read
  return url.href.replaceAll('%2C', ',').replaceAll('%2F', '/').replaceAll('%3A', ':');
}

export function keepAddress(address) {
  window.history.replaceState(null, '', address);
  const { search } = new URL(address);
  // the same place in other languages
  document.querySelectorAll('nav a[hreflang]').forEach((link) => { link.search = search; });
}
