// Copy what a field holds; *say* tells the reader, in one of *texts*, what has become of it.
export async function copyFrom(field, say, texts) {
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
    say(texts.copied);
  } catch {
    // no permission, or an address without encryption: what is selected can be copied by hand
    say(texts.selected);
  }
}
