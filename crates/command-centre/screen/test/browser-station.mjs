// The part of the browser test that a running station can answer: sign in, see the city, see one alert, answer it.

import assert from 'node:assert/strict';
import { counts, signInByAddress, unitsDrawn, waitCellColour } from './browser-parts.mjs';

export async function againstStation(run) {
  const { page, step, shot, options } = run;
  const url = options.url.replace(/\/$/, '');
  const waitMs = Number(options['wait-s']) * 1_000;

  await step('sign in by the token in the address', () => signInByAddress(run, url, options.token));

  await step('the map shows the city', async () => {
    const drawn = await unitsDrawn(page);
    assert.ok(drawn > 0, 'no unit is drawn');
    // A station that has just started judges its units within its first seconds.
    await page.waitForFunction(
      () => [...document.querySelectorAll('[data-test="counts"] [data-count]')].some((item) => Number(item.dataset.count) > 0),
      null,
      { timeout: waitMs },
    );
    console.log(`      ${drawn} units drawn, ${JSON.stringify(await counts(page))}, frame ${await page.getAttribute('canvas.tiles', 'data-frame-ms')} ms`);
    await shot('station-city');
  });

  if (!options.unit) return;
  const row = page.locator(`[data-test="queue"] [data-unit="${options.unit}"]`).first();

  await step(`an alert of unit ${options.unit} is in the queue`, () => row.waitFor({ timeout: waitMs }));

  await step('its unit has a colour that warns, on the page and on the map', async () => {
    await page.evaluate((code) => (location.hash = `#/${encodeURIComponent(code)}`), options.unit);
    const warned = ['red', 'orange', 'yellow'].map((name) => `[data-test="unit"][data-colour="${name}"]`).join();
    const panel = await page.waitForSelector(warned, { timeout: waitMs });
    const colour = await panel.getAttribute('data-colour');
    await waitCellColour(page, colour);
    console.log(`      ${options.unit} is ${colour}`);
    await shot('station-unit');
  });

  await step('it says what happened, and the button acknowledges it', async () => {
    await row.click();
    await page.waitForSelector('[data-test="alert"]');
    // Others may have acknowledged it before; each person does so for themselves.
    if ((await page.getAttribute('[data-act="acknowledge"]', 'data-mine')) === 'false') {
      await page.click('[data-act="acknowledge"]');
    }
    await page.waitForSelector('[data-act="acknowledge"][data-mine="true"]');
    await page.waitForSelector('[data-test="alert"]:not([data-state="raised"])');
    console.log(`      the alert is ${await page.getAttribute('[data-test="alert"]', 'data-state')}`);
    await shot('station-alert');
  });
}
