// node build.mjs OUT: bundles the viewers and the Mongolian font into OUT, texts also compressed,
// with the licence notices of everything inside, and prints what was made as JSON.
import fs from 'node:fs';
import path from 'node:path';
import zlib from 'node:zlib';

import * as esbuild from 'esbuild';

import { checkTexts } from './check-texts.mjs';

const out = process.argv[2];
const PACKAGE = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//;
const FONT = 'node_modules/@fontsource/noto-sans-mongolian/files/noto-sans-mongolian-mongolian-400-normal.woff2';

const LANGUAGES = ['ja', 'mn', 'ru'];
checkTexts(Object.fromEntries(LANGUAGES.map((each) => [each, `texts/mirador-${each}.json`])));

const { metafile } = await esbuild.build({
  entryPoints: ['mirador.js', 'zoom.js'],
  outdir: out,
  bundle: true,
  minify: true,
  format: 'iife',
  target: 'es2022',
  platform: 'browser',
  mainFields: ['module', 'browser', 'main'],
  // Mirador is taken from its sources, not from its dist: what dist has swallowed would be
  // missing from the notices, and its plugins would bring a second one. Its sources are JSX in
  // files named .js.
  alias: { mirador: './node_modules/mirador/src/index.js' },
  loader: { '.js': 'jsx' },
  jsx: 'automatic',
  define: { 'process.env.NODE_ENV': '"production"', global: 'globalThis' },
  legalComments: 'none',
  metafile: true,
  logLevel: 'warning',
});

fs.copyFileSync(FONT, path.join(out, 'mongolian.woff2'));
fs.copyFileSync('mongolian.css', path.join(out, 'mongolian.css'));

const folders = [...Object.keys(metafile.inputs), FONT].map((file) => file.match(PACKAGE)?.[1]);
const notices = new Map(); // by name and version: one package can lie in several folders
const withoutLicenceFile = [];
for (const folder of [...new Set(folders)].filter(Boolean).sort()) {
  const about = JSON.parse(fs.readFileSync(path.join(folder, 'package.json')));
  const title = `${about.name} ${about.version} (${about.license})`;
  if (notices.has(title)) continue;
  const file = fs.readdirSync(folder).find((name) => /^(licen[cs]e|copying|notice)/i.test(name));
  if (!file) withoutLicenceFile.push(title);
  const author = about.author?.name ?? about.author ?? 'not stated';
  const text = file
    ? fs.readFileSync(path.join(folder, file), 'utf8').trim()
    : `The package carries no licence file. It states: ${about.license}; author: ${author}.`;
  notices.set(title, `${'='.repeat(72)}\n${title}\n\n${text}\n`);
}
fs.writeFileSync(
  path.join(out, 'THIRD-PARTY-NOTICES.txt'),
  ['Code and fonts of others in the viewer files of this folder, with their licences.\n', ...notices.values()].join('\n'),
);

const bytes = {};
for (const name of fs.readdirSync(out).sort()) {
  const content = fs.readFileSync(path.join(out, name));
  bytes[name] = { plain: content.length };
  if (/\.(js|txt)$/.test(name)) { // a style may be changed by the server, a font is compressed
    const brotli = zlib.brotliCompressSync(content, {
      params: { [zlib.constants.BROTLI_PARAM_SIZE_HINT]: content.length },
    });
    const gzip = zlib.gzipSync(content, { level: 9 });
    fs.writeFileSync(path.join(out, `${name}.br`), brotli);
    fs.writeFileSync(path.join(out, `${name}.gz`), gzip);
    Object.assign(bytes[name], { gzip: gzip.length, brotli: brotli.length });
  }
}
console.log(JSON.stringify({ packages: notices.size, withoutLicenceFile, bytes }));
