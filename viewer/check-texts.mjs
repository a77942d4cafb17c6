// Every text that Mirador and its image tools have in English must be there in each language of
// ours: in Mirador's own file of that language, in the tools', or in ours.
import fs from 'node:fs';

const LOCALES = 'node_modules/mirador/src/locales';
const TOOLS = 'node_modules/mirador-image-tools/dist/mirador-image-tools.es.js';
const PLURAL = /_(zero|one|two|few|many|other)$/;

const placeholders = (text) => (text.match(/{{.*?}}/g) ?? []).sort().join();

function ofMirador(language) {
  const file = `${LOCALES}/${language}/translation.json`;
  const texts = fs.existsSync(file) ? JSON.parse(fs.readFileSync(file)).translation : {};
  // the tools hold their texts in the script itself
  const [, tools = ''] = fs.readFileSync(TOOLS, 'utf8').match(`\\b${language}: \\{([^}]*)\\}`) ?? [];
  const pairs = [...tools.matchAll(/(\w+): "([^"]*)"/g)].map(([, key, text]) => [key, text]);
  return { ...texts, ...Object.fromEntries(pairs) };
}

// Throw an error that names what is wrong with the texts in *files*, by language.
export function checkTexts(files) {
  const english = Object.entries(ofMirador('en'));
  const mistakes = Object.entries(files).flatMap(([language, file]) => {
    const { texts } = JSON.parse(fs.readFileSync(file));
    const there = { ...ofMirador(language), ...texts };
    const forms = new Intl.PluralRules(language).resolvedOptions().pluralCategories;
    const wanted = new Map(english.flatMap(([key, text]) => (
      PLURAL.test(key)
        ? forms.map((form) => [key.replace(PLURAL, `_${form}`), text])
        : [[key, text]])));
    return [
      ...[...wanted].filter(([key]) => !there[key]).map(([key]) => `${file}: ${key} is missing`),
      ...Object.keys(texts).filter((key) => !wanted.has(key)).map((key) => `${file}: ${key} is unknown`),
      ...[...wanted]
        .filter(([key, text]) => texts[key] && placeholders(texts[key]) !== placeholders(text))
        .map(([key, text]) => `${file}: ${key} must hold ${placeholders(text)}`),
    ];
  });
  if (mistakes.length) throw new Error(mistakes.join('\n'));
}
