// What the browser tests of mock and station share.

import assert from 'node:assert/strict';

export async function signInByAddress({ page }, url, token) {
  await page.goto(`${url}/#token=${encodeURIComponent(token)}`);
  const shown = await page.waitForSelector('canvas[data-units], #token');
  assert.notEqual(await shown.getAttribute('id'), 'token', 'the station refused the token');
  assert.ok(!page.url().includes(token), 'the token stays in the address');
  assert.equal(await page.evaluate(() => document.cookie), '', 'the session cookie is readable by scripts');
  await waitLink(page, 'live');
}

export async function waitLink(page, link) {
  await page.waitForSelector(`[data-link="${link}"]`);
}

export async function waitHash(page, hash) {
  await page.waitForFunction((wanted) => location.hash === wanted, hash);
}

/** Units by colour in the top strip. */
export async function counts(page) {
  return page.$$eval('[data-test="counts"] [data-colour]', (items) =>
    Object.fromEntries(items.map((item) => [item.dataset.colour, Number(item.dataset.count)])),
  );
}

export async function unitsDrawn(page) {
  return Number(await page.getAttribute('canvas.tiles', 'data-units'));
}

/** Waits until the chosen unit's cell on the map has the token's colour from the style sheet. */
export async function waitCellColour(page, colour) {
  await page.waitForFunction((name) => {
    const canvas = document.querySelector('canvas.tiles');
    const [x, y, w, h] = (canvas.dataset.selected ?? '').split(',').map(Number);
    if (!w || !h) return false;
    const [r, g, b] = canvas.getContext('2d').getImageData(x + Math.floor(w / 2), y + Math.floor(h / 2), 1, 1).data;
    const hex = `#${[r, g, b].map((part) => part.toString(16).padStart(2, '0')).join('')}`;
    return hex === getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  }, colour);
}

export async function waitAlertState(page, state) {
  await page.waitForSelector(`[data-test="alert"][data-state="${state}"]`);
}

export function median(list) {
  return [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
}
