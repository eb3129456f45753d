import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { takeScreenshot } from '@tillmesh/browser';

// npm run screenshot -- lanes: the live page of a mesh that runs, as a PNG file.

const HELP = `npm run screenshot -- lanes [options]

  --url <address>     of the page (default http://127.0.0.1:7114/, that of npm start)
  --file <path>       what is written (default .local/lanes.png)
  --width, --height   of the window (default 1200 × 720)
  --dark              as it looks to those whose system is dark`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    url: { type: 'string', default: 'http://127.0.0.1:7114/' },
    file: { type: 'string', default: '.local/lanes.png' },
    width: { type: 'string', default: '1200' },
    height: { type: 'string', default: '720' },
    dark: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

if (values.help || positionals[0] !== 'lanes') {
  say(HELP);
  process.exit(values.help ? 0 : 1);
}
const file = resolve(values.file);
await takeScreenshot({
  url: values.url,
  file,
  width: Number(values.width),
  height: Number(values.height),
  colorScheme: values.dark ? 'dark' : 'light',
  waitFor: { selector: '.tile' },
  env: process.env,
});
say(`${file}: ${Math.round(statSync(file).size / 1_000)} kB`);
