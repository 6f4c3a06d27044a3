// The screen in a real Chromium.
//   node test/browser.mjs                                        everything, against the mock station
//   node test/browser.mjs --url http://127.0.0.1:8080 --token T [--unit U000001] [--wait-s 60]
//                                                                what makes sense against a running station
// Options: --shots DIR (pictures of the views), --chromium PATH. Exit code 1 names the step that failed.

import { existsSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';
import { againstMock } from './browser-mock.mjs';
import { againstStation } from './browser-station.mjs';

const CHROMIUMS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const FLAGS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
];
const STEP_MS = 20_000;

const { values: options } = parseArgs({
  options: {
    url: { type: 'string' },
    token: { type: 'string' },
    unit: { type: 'string' },
    'wait-s': { type: 'string', default: '60' },
    shots: { type: 'string' },
    chromium: { type: 'string' },
  },
});

/** A page that remembers every complaint of the browser; `failuresExpected` mutes what it says of requests that are meant to fail. */
async function openPage(browser) {
  const context = await browser.newContext({ viewport: { width: 1600, height: 900 }, locale: 'zh-CN' });
  const page = await context.newPage();
  page.setDefaultTimeout(STEP_MS);
  const watch = { complaints: [], failuresExpected: false };
  page.on('pageerror', (error) => watch.complaints.push(`exception: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() !== 'error' && message.type() !== 'warning') return;
    if (watch.failuresExpected && /Failed to load resource|net::ERR/.test(message.text())) return;
    watch.complaints.push(`${message.type()}: ${message.text()}`);
  });
  await page.exposeFunction('reportViolation', (text) => watch.complaints.push(`content security policy: ${text}`));
  await page.addInitScript(() => {
    addEventListener('securitypolicyviolation', (event) => {
      window.reportViolation(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
    });
  });
  return { page, watch };
}

async function main() {
  const executablePath = options.chromium ?? CHROMIUMS.find((file) => existsSync(file));
  if (!executablePath) throw new Error(`no Chromium at ${CHROMIUMS.join(', ')}; install it or give --chromium PATH`);
  if (options.url && !options.token) throw new Error('--url needs --token');
  if (options.shots) mkdirSync(options.shots, { recursive: true });
  const browser = await chromium.launch({ executablePath, args: FLAGS });
  try {
    const { page, watch } = await openPage(browser);
    let current = 'start';
    const run = {
      page,
      watch,
      options,
      async step(name, body) {
        current = name;
        const started = Date.now();
        await body();
        console.log(`ok    ${name}  (${Date.now() - started} ms)`);
      },
      async shot(name) {
        if (options.shots) await page.screenshot({ path: path.join(options.shots, `${name}.png`) });
      },
    };
    try {
      await (options.url ? againstStation(run) : againstMock(run));
      current = 'no error, warning or policy violation in the console';
      if (watch.complaints.length > 0) throw new Error(watch.complaints.join('\n'));
      console.log(`ok    ${current}`);
    } catch (error) {
      if (options.shots) await run.shot('failed').catch(() => {});
      throw new Error(`step "${current}": ${error.message}\n${watch.complaints.join('\n')}`, { cause: error });
    }
  } finally {
    await browser.close();
  }
}

main().catch((error) => {
  console.error(`FAILED ${error.message}`);
  process.exitCode = 1;
});
