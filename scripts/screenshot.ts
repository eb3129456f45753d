import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { takeScreenshot } from '@tillmesh/browser';

// npm run screenshot -- lanes | report: the live page of a mesh that runs, or a report of the reconciler, as a PNG file.

const HELP = `npm run screenshot -- lanes | report [options]

  --url <address>     of the page (default http://127.0.0.1:7114/, that of npm start); of a report: --page
  --page <file>       the report's page, as npm run reconcile -- … --html wrote it
  --file <path>       what is written (default .local/<what>.png)
  --width, --height   of the window (default 1200 × 720)
  --dark              as it looks to those whose system is dark`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    url: { type: 'string', default: 'http://127.0.0.1:7114/' },
    page: { type: 'string' },
    file: { type: 'string' },
    width: { type: 'string', default: '1200' },
    height: { type: 'string', default: '720' },
    dark: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

const [what = ''] = positionals;
const isReport = what === 'report';
if (values.help || !['lanes', 'report'].includes(what) || isReport !== (values.page !== undefined)) {
  say(HELP);
  process.exit(values.help ? 0 : 1);
}
const file = resolve(values.file ?? `.local/${what}.png`);
await takeScreenshot({
  url: values.page === undefined ? values.url : pathToFileURL(resolve(values.page)).href,
  file,
  width: Number(values.width),
  height: Number(values.height),
  colorScheme: values.dark ? 'dark' : 'light',
  waitFor: { selector: isReport ? '.verdict' : '.tile' },
  env: process.env,
});
say(`${file}: ${Math.round(statSync(file).size / 1_000)} kB`);
