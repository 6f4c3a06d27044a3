// The whole screen against the mock station, where every event can be made to happen.

import assert from 'node:assert/strict';
import { counts, median, signInByAddress, unitsDrawn, waitAlertState, waitCellColour, waitHash, waitLink } from './browser-parts.mjs';
import { MockStation, TOKEN } from './mock-server.mjs';

/**
 * Main-thread time of one frame. All 76,000 units anew; and 500 changed ones, ten times a second. Whatever else runs on
 * the machine only adds to it, so the best of some frames is held against the budget, and the median is told.
 */
const FULL_FRAME_MS = 40;
const BURST_FRAME_MS = 15;
const ALERT_VISIBLE_MS = 1_000;

export async function againstMock(run) {
  const station = new MockStation();
  const url = await station.listen();
  try {
    await signingIn(run, url);
    await drawing(run);
    await anAlert(run, station);
    await drillingDown(run);
    await nobodyOnDuty(run, station);
    await byKeyboard(run, station);
    await lineLost(run, station);
    await words(run);
    await run.page.goto('about:blank');
  } finally {
    await station.close();
  }
}

async function signingIn(run, url) {
  const { page, step, shot, watch } = run;
  await step('sign in by a pasted token; a wrong one is refused in words', async () => {
    watch.failuresExpected = true; // The browser logs the 401s.
    await page.goto(url);
    await page.fill('#token', 'wrong.token');
    await page.click('button[type=submit]');
    await page.waitForSelector('[role=alert]');
    await shot('sign-in');
    await page.fill('#token', TOKEN);
    await page.press('#token', 'Enter');
    await page.waitForSelector('canvas[data-units]');
    watch.failuresExpected = false;
  });
  await step('sign in by the address; the token leaves it', async () => {
    await page.context().clearCookies();
    await page.goto('about:blank');
    await signInByAddress(run, url, TOKEN);
  });
}

async function drawing({ page, step }) {
  await step('all 76,000 units are drawn within the frame budget', async () => {
    assert.equal(await unitsDrawn(page), 76_000);
    const times = [];
    for (let i = 0; i < 9; i++) {
      const before = await page.getAttribute('canvas.tiles', 'data-frames');
      await page.setViewportSize({ width: 1584 + (i % 2) * 16, height: 900 });
      await page.waitForFunction((old) => document.querySelector('canvas.tiles').dataset.frames !== old, before);
      times.push(Number(await page.getAttribute('canvas.tiles', 'data-frame-ms')));
    }
    console.log(`      layout and all units: best ${Math.min(...times)} ms (budget ${FULL_FRAME_MS} ms), median ${median(times)} ms, worst ${Math.max(...times)} ms`);
    assert.ok(Math.min(...times) <= FULL_FRAME_MS, `a full frame takes ${Math.min(...times)} ms at best`);
  });
}

async function anAlert({ page, step, shot, watch }, station) {
  const fire = 30_000;
  let alert;
  await step('an alert of the feed is in the queue and on the map at once', async () => {
    const redBefore = (await counts(page)).red;
    const started = Date.now();
    alert = station.raise(fire);
    await page.waitForSelector(`[data-alert="${alert.id}"][data-state="raised"]`);
    const took = Date.now() - started;
    console.log(`      visible after ${took} ms`);
    assert.ok(took < ALERT_VISIBLE_MS, `visible only after ${took} ms`);
    assert.equal((await counts(page)).red, redBefore + 1);
    assert.match(await page.textContent('[aria-live=assertive]'), new RegExp(alert.unit_name));
    assert.match(await page.title(), /^\(1\)/);
    await shot('city');
  });

  await step('opening it shows reasons, ladder, deliveries, and its unit on the map', async () => {
    await page.click(`[data-alert="${alert.id}"]`);
    await page.waitForSelector('[data-delivery="delivered"]');
    const text = await page.textContent('[data-panel="alert"]');
    for (const part of ['连续 2 次不低于 0.10', '业主', '林建国', '已送达', 'HTTP 400', '报警']) {
      assert.ok(text.includes(part), `"${part}" is missing`);
    }
    await waitCellColour(page, 'red');
    await shot('alert');
  });

  await step('buttons: what the station refuses is said; acknowledge, arrive, verify, close', async () => {
    watch.failuresExpected = true; // The browser logs the 409.
    await page.click('[data-act="close"]');
    await page.click('[data-act="confirm"]');
    await page.waitForSelector('text=尚无人确认，不能关闭');
    watch.failuresExpected = false;
    await page.keyboard.press('Escape');
    await page.click('[data-act="acknowledge"]');
    await waitAlertState(page, 'acknowledged');
    await page.click('[data-act="arrive"]');
    await page.waitForSelector('[data-test="alert"] >> text=已到场');
    await page.click('[data-act="verify-false"]');
    await page.fill('#note', '油烟');
    await page.click('[data-act="confirm"]');
    await waitAlertState(page, 'verified');
    await page.waitForSelector('[data-test="alert"][data-verdict="false"]');
    await page.waitForSelector('text=“油烟”');
    await page.click('[data-act="close"]');
    await page.fill('#note', '已处理');
    await page.click('[data-act="confirm"]');
    await waitAlertState(page, 'closed');
    await page.waitForSelector(`[data-alert="${alert.id}"]`, { state: 'detached' });
    const done = station.posts.filter((post) => post.id === alert.id);
    assert.deepEqual(done.map((post) => post.verb), ['close', 'acknowledge', 'arrive', 'verify', 'close']);
    assert.deepEqual(done[3].given, { verdict: 'false', note: '油烟' });
    const keys = new Set(done.map((post) => post.key));
    assert.equal(keys.size, done.length, 'each press has an idempotency key of its own');
    await waitCellColourGone(page);
  });

  await step('500 changes ten times a second stay within the frame budget', async () => {
    const times = [];
    for (let i = 0; i < 20; i++) {
      const red = (await counts(page)).yellow;
      station.burst(500, i % 2 === 0 ? 'yellow' : 'blue');
      await page.waitForFunction((old) => Number(document.querySelector('[data-colour="yellow"][data-count]').dataset.count) !== old, red);
      await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
      times.push(Number(await page.getAttribute('canvas.tiles', 'data-frame-ms')));
    }
    console.log(`      frame with 500 changes: best ${Math.min(...times)} ms (budget ${BURST_FRAME_MS} ms), median ${median(times)} ms, worst ${Math.max(...times)} ms`);
    assert.ok(Math.min(...times) <= BURST_FRAME_MS, `a frame with 500 changes takes ${Math.min(...times)} ms at best`);
  });
}

async function waitCellColourGone(page) {
  await page.keyboard.press('Escape');
  await page.waitForSelector('[data-panel="alert"]', { state: 'detached' });
  await page.waitForFunction(() => document.querySelector('canvas.tiles').dataset.selected === '');
}

async function nobodyOnDuty({ page, step, shot }, station) {
  await step('a grid without anybody on duty is a hazard that comes and goes', async () => {
    assert.equal(await page.locator('[data-test="duty-gaps"]').count(), 0);
    station.leaveAlone(0, true);
    await page.waitForSelector('[data-test="duty-gaps"][data-count="1"] >> text=网格员');
    await shot('duty');
    station.leaveAlone(0, false);
    await page.waitForSelector('[data-test="duty-gaps"]', { state: 'detached' });
  });
}

async function drillingDown({ page, step, shot }) {
  await step('drill down by click to one unit, and back by the breadcrumb', async () => {
    const box = await page.locator('.stage').boundingBox();
    const middle = [box.x + box.width * 0.4, box.y + box.height * 0.45];
    await page.mouse.move(...middle);
    await page.waitForSelector('.tip');
    for (const depth of [1, 2, 3, 4]) {
      await page.mouse.click(...middle);
      await waitDepth(page, depth);
      if (depth < 4) await page.waitForFunction(() => Number(document.querySelector('canvas.tiles').dataset.units) < 70_000);
      await shot(['', 'township', 'village', 'grid', 'unit'][depth]);
    }
    await page.waitForSelector('[data-test="unit"] >> text=总配电箱');
    const hash = await page.evaluate(() => location.hash);
    await page.reload();
    await page.waitForSelector('[data-test="unit"] >> text=总配电箱');
    await waitHash(page, hash);
    await page.click('nav .crumb >> nth=0');
    await waitHash(page, '#/');
    await page.waitForFunction(() => document.querySelector('canvas.tiles').dataset.units === '76000');
  });

  await step('drill down by keys to one unit, and back', async () => {
    await page.focus('.stage');
    for (let depth = 1; depth <= 4; depth++) {
      await page.keyboard.press('ArrowRight');
      await page.keyboard.press('ArrowDown');
      await page.keyboard.press('Enter');
      await waitDepth(page, depth);
    }
    await page.waitForSelector('[data-test="unit"]');
    for (let depth = 3; depth >= 0; depth--) {
      await page.keyboard.press('Backspace');
      await waitDepth(page, depth);
    }
    await waitHash(page, '#/');
  });
}

/** Steps below the city that the breadcrumb shows. */
async function waitDepth(page, depth) {
  await page.waitForFunction((wanted) => document.querySelectorAll('nav ol li').length - 1 === wanted, depth);
}

async function byKeyboard({ page, step, shot }, station) {
  await step('an alert is found, answered and closed with the keyboard alone', async () => {
    const alert = station.raise(61_234);
    station.raise(51_234, { family: 'warning', colour: 'orange', agoMs: 90_000 });
    await page.waitForSelector(`[data-alert="${alert.id}"]`);
    await page.focus('.stage');
    await page.keyboard.press('F6');
    await page.waitForFunction(() => document.activeElement?.closest('[data-panel="queue"]'));
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('Enter');
    await waitAlertState(page, 'raised');
    await page.waitForFunction(() => document.activeElement?.closest('[data-panel="alert"]'));
    await page.keyboard.press('a');
    await waitAlertState(page, 'acknowledged');
    await page.keyboard.press('1');
    await page.keyboard.type('明火 a2');
    await shot('verify');
    await page.keyboard.press('Enter');
    await page.waitForSelector('[data-test="alert"][data-verdict="real"]');
    await page.keyboard.press('c');
    await page.keyboard.press('Enter');
    await waitAlertState(page, 'closed');
    assert.equal(station.posts.at(-2).given.note, '明火 a2');
    await page.keyboard.press('Escape');
    await page.waitForSelector('[data-panel="alert"]', { state: 'detached' });
  });
}

async function lineLost({ page, step, shot, watch }, station) {
  let missed;
  await step('a cut line is loud, and after it what was missed is there', async () => {
    watch.failuresExpected = true;
    station.cut();
    await page.waitForSelector('[data-test="lost-banner"]');
    await page.waitForSelector('[data-panel="map"].stale');
    assert.match(await page.title(), /连接中断/);
    await shot('lost');
    missed = station.raise(12_345);
    const redBefore = (await counts(page)).red;
    station.restore();
    await waitLink(page, 'live');
    await page.waitForSelector('[data-test="lost-banner"]', { state: 'detached' });
    await page.waitForSelector(`[data-alert="${missed.id}"]`);
    assert.equal((await counts(page)).red, redBefore + 1);
    watch.failuresExpected = false;
  });

  await step('a cursor too old brings a fresh picture', async () => {
    watch.failuresExpected = true;
    station.cut();
    await page.waitForSelector('[data-test="lost-banner"]');
    const during = station.raise(23_456);
    station.change(missed, 'alert.closed', 'P2', { state: 'closed' });
    station.forget();
    station.restore();
    await waitLink(page, 'live');
    await page.waitForSelector(`[data-alert="${during.id}"]`);
    await page.waitForSelector(`[data-alert="${missed.id}"]`, { state: 'detached' });
    watch.failuresExpected = false;
  });

  await step('a hidden page draws nothing, and all of it when shown again', async () => {
    await page.evaluate(() => {
      Object.defineProperty(document, 'hidden', { configurable: true, get: () => window.pretendHidden ?? false });
      window.pretendHidden = true;
      document.dispatchEvent(new Event('visibilitychange'));
    });
    const frames = await page.getAttribute('canvas.tiles', 'data-frames');
    const started = (await counts(page)).yellow;
    station.burst(100, 'yellow');
    await page.waitForFunction((old) => Number(document.querySelector('[data-colour="yellow"][data-count]').dataset.count) > old, started);
    assert.equal(await page.getAttribute('canvas.tiles', 'data-frames'), frames);
    await page.evaluate(() => {
      window.pretendHidden = false;
      document.dispatchEvent(new Event('visibilitychange'));
    });
    await page.waitForFunction((old) => document.querySelector('canvas.tiles').dataset.frames !== old, frames);
  });
}

async function words({ page, step, shot, watch }) {
  await step('English first on request, kept over a reload; sound can be armed', async () => {
    await page.click('[data-test="language"]');
    await page.waitForFunction(() => document.documentElement.lang === 'en');
    await page.reload();
    await page.waitForSelector('canvas[data-units]');
    assert.match(await page.textContent('[data-panel="queue"] h2'), /^\s*Live queue/);
    await page.click('[data-test="sound"]');
    await page.waitForSelector('[data-test="sound"][aria-pressed="true"]:has-text("Sound on")');
    await page.click('[data-test="queue"] button.row');
    await page.waitForSelector('[data-delivery]');
    await page.setViewportSize({ width: 1920, height: 1080 });
    await shot('english-wide');
  });

  await step('signing out ends the session', async () => {
    await page.click('[data-test="sign-out"]');
    await page.waitForSelector('#token');
    watch.failuresExpected = true; // The browser logs the 401s.
    await page.reload();
    await page.waitForSelector('#token');
    await page.waitForFunction(() => performance.getEntriesByName(`${location.origin}/api/v1/me`).length > 0);
    watch.failuresExpected = false;
  });
}
