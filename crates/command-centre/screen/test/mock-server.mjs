// A stand-in for the station that keeps the HTTP contract, for browser tests and for work on the screen:
//   node test/mock-server.mjs --port 8099      (token: mock.secret)

import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { COLOURS, makeCity } from './mock-city.mjs';

const DIST = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', 'dist');
const CSP = "default-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; object-src 'none'";
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };
const HEARTBEAT_MS = 1_000;
export const TOKEN = 'mock.secret';

export class MockStation {
  city = makeCity();
  alerts = new Map();
  events = [];
  cursor = 100;
  oldest = 0;
  /** Not answering at all, as after a pulled cable. */
  down = false;
  gaps = [];
  feedsOpened = 0;
  posts = [];
  sessions = new Set();
  streams = new Set();
  clockAheadMs = 0;
  geometry = JSON.stringify({ version: this.city.version, regions: this.city.regions, grids: this.city.grids, units: this.city.units });
  geometryTag = `"${createHash('sha256').update(this.geometry).digest('hex').slice(0, 16)}"`;
  geometryZipped = gzipSync(this.geometry);

  async listen(port = 0) {
    this.server = http.createServer((request, response) => {
      this.serve(request, response).catch((error) => {
        if (!response.headersSent) problem(response, 500, String(error));
      });
    });
    await new Promise((done) => this.server.listen(port, '127.0.0.1', done));
    this.beat = setInterval(() => this.heartbeat(), HEARTBEAT_MS);
    return `http://127.0.0.1:${this.server.address().port}`;
  }

  async close() {
    clearInterval(this.beat);
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }

  now() {
    return Date.now() + this.clockAheadMs;
  }

  /** Takes the line down: open streams break, new requests get no answer. */
  cut() {
    this.down = true;
    this.server.closeAllConnections();
  }

  restore() {
    this.down = false;
  }

  /** Events up to now are gone: a resume from before gets 410. */
  forget() {
    this.oldest = this.cursor + 1;
    this.events = [];
  }

  // ---- what happens in the city -------------------------------------------------------------------

  emit(type, at, extra) {
    const event = { cursor: ++this.cursor, type, at_ms: this.now(), region: this.gridOf(at), ...extra };
    this.events.push(event);
    if (!this.down) for (const stream of this.streams) stream.write(frame(event));
    return event;
  }

  /** The grid of a unit is without anybody for two hours, or is not any more. */
  leaveAlone(index, alone) {
    const region = this.gridOf(index);
    const name = this.city.regions.find(({ code }) => code === region)?.name ?? region;
    const hole = { post: 'grid_worker', region, region_name: name, from_ms: this.now(), until_ms: this.now() + 7_200_000, found_ms: this.now() };
    this.gaps = this.gaps.filter((gap) => gap.region !== region).concat(alone ? [hole] : []);
    this.emit(alone ? 'duty.gap' : 'duty.filled', index, { detail: `${name} 网格员` });
  }

  colour(index, colour) {
    this.city.colours[index] = COLOURS.indexOf(colour);
    const unit = { id: index, code: this.city.units.code[index], colour, since_ms: this.now() };
    this.emit('unit.colour', index, { unit });
  }

  raise(index, { family = 'fire', colour = 'red', zh = '烟雾浓度 0.18 dB/m，连续 2 次不低于 0.10', en = 'smoke 0.18 dB/m, twice at or above 0.10', agoMs = 0 } = {}) {
    const code = this.city.units.code[index];
    const raised = this.now() - agoMs;
    const grid = this.gridOf(index);
    const name = (length) => this.city.regions.find((region) => region.code === grid.slice(0, length))?.name ?? '';
    const alert = {
      id: `${family}-${index}-${this.cursor + 1}`, family, colour, state: 'raised', unit: code, unit_name: this.city.units.name[index],
      address: `${name(9)}${name(12)}${(index % 190) + 1}号`, grid, village: grid.slice(0, 12), township: grid.slice(0, 9),
      raised_ms: raised, updated_ms: raised, summary_zh: zh, summary_en: en, acknowledged_by: [], verdict: null,
      evidence_count: 2, exercise: false,
    };
    alert.more = {
      acknowledged: [],
      arrived: [],
      evidence: [
        { at_ms: raised, rule: 'smoke', device: 'huayi/s-17', location: '厨房', colour: 'orange', text_zh: '烟雾浓度 0.12 dB/m，等待复核', text_en: 'smoke 0.12 dB/m, awaiting confirmation', alarm: null },
        { at_ms: raised + 900, rule: 'smoke', device: 'huayi/s-17', location: '厨房', colour, text_zh: zh, text_en: en, alarm: 'a-17' },
      ],
      ladder: [
        { whom: 'owner', due_ms: raised, told_ms: raised + 40, people: ['P00017'] },
        { whom: 'grid', due_ms: raised, told_ms: raised + 40, people: ['P00204'] },
        { whom: 'village', due_ms: raised + 60_000, told_ms: null, people: [] },
        { whom: 'township', due_ms: raised + 180_000, told_ms: null, people: [] },
      ],
      deliveries: [
        { id: 'd1', whom: 'owner', person: 'P00017', person_name: '林建国', channel: 'mqtt', owed_ms: raised + 40, state: 'delivered', attempts: [{ at_ms: raised + 210, outcome: 'delivered', reason: '' }], attempt_count: 1 },
        { id: 'd2', whom: 'grid', person: 'P00204', person_name: '陈小燕', channel: 'mqtt', owed_ms: raised + 40, state: 'owed', attempts: [{ at_ms: raised + 300, outcome: 'retry', reason: 'no session of this person is connected' }], attempt_count: 1 },
        { id: 'd3', whom: 'grid', person: 'P00204', person_name: '陈小燕', channel: 'webhook:sms', owed_ms: raised + 40, state: 'failed', attempts: [{ at_ms: raised + 800, outcome: 'failed', reason: 'HTTP 400 from the gateway: unknown number' }], attempt_count: 3 },
      ],
      history: [{ at_ms: raised, what: 'alert.raised', by: 'smoke', note: null }],
    };
    this.alerts.set(alert.id, alert);
    if (this.city.colours[index] !== COLOURS.indexOf(colour)) this.colour(index, colour);
    this.emit('alert.raised', index, { alert: head(alert) });
    return alert;
  }

  change(alert, type, by, fields, note) {
    Object.assign(alert, fields, { updated_ms: this.now() });
    alert.more.history.push({ at_ms: this.now(), what: type, by, by_name: by === 'P00001' ? '王值班' : by, note: note ?? null });
    this.emit(type, this.indexOf(alert.unit), { alert: head(alert) });
  }

  /** `count` units change colour and back, as one burst. */
  burst(count, colour) {
    const step = Math.floor(this.city.colours.length / count);
    for (let i = 0; i < count; i++) this.colour(i * step, colour);
  }

  indexOf(code) {
    return Number(code.slice(1)) - 1;
  }

  gridOf(index) {
    return this.city.grids[this.city.units.grid[index]];
  }

  // ---- HTTP ---------------------------------------------------------------------------------------

  async serve(request, response) {
    if (this.down) return request.socket.destroy();
    const url = new URL(request.url, 'http://localhost');
    response.setHeader('content-security-policy', CSP);
    if (!url.pathname.startsWith('/api/')) return this.file(url, response);
    const route = url.pathname.slice('/api/v1'.length);
    if (request.method === 'POST' && route === '/session') return this.session(request, response);
    if (!this.allowed(request)) return problem(response, 401, 'sign in first');
    if (request.method === 'DELETE' && route === '/session') {
      this.sessions.clear();
      return response.writeHead(204).end();
    }
    if (request.method === 'POST') return this.act(route, request, response);
    if (route === '/me') return json(response, { subject: 'P00001', name: '王值班', role: 'operator', scope: '' });
    if (route === '/bootstrap') return this.bootstrap(response);
    if (route === '/feed') return this.stream(url, request, response);
    if (route === '/events') return this.page(url, response);
    if (route === '/duty/gaps') return this.dutyGaps(url, response);
    if (route === '/map/geometry') return this.sendGeometry(request, response);
    if (route === '/map/snapshot') return this.snapshot(response);
    const [, noun, id] = route.split('/').map(decodeURIComponent);
    if (noun === 'alerts' && this.alerts.has(id)) {
      const alert = this.alerts.get(id);
      return json(response, { ...head(alert), ...alert.more, reasons: this.unit(this.indexOf(alert.unit)).reasons });
    }
    if (noun === 'units' && this.city.units.code[this.indexOf(id)] === id) return json(response, this.unit(this.indexOf(id)));
    return problem(response, 404, `nothing at ${route}`);
  }

  dutyGaps(url, response) {
    const gaps = this.gaps.filter((gap) => gap.region.startsWith(url.searchParams.get('region') ?? ''));
    json(response, { at_ms: this.now(), within_s: 3600, gaps, without_plan: [] });
  }

  allowed(request) {
    const cookie = /fenghuo_session=([^;]+)/.exec(request.headers.cookie ?? '')?.[1];
    return this.sessions.has(cookie) || request.headers.authorization === `Bearer ${TOKEN}`;
  }

  async file(url, response) {
    const name = url.pathname === '/' ? 'index.html' : path.normalize(url.pathname).replace(/^\/+/, '');
    try {
      const bytes = await readFile(path.join(DIST, name));
      response.setHeader('content-type', TYPES[path.extname(name)] ?? 'application/octet-stream').end(bytes);
    } catch {
      problem(response, 404, `no file ${name}`);
    }
  }

  async session(request, response) {
    const { token } = JSON.parse(await body(request));
    if (token !== TOKEN) return problem(response, 401, 'unknown token');
    const session = randomBytes(16).toString('hex');
    this.sessions.add(session);
    response.setHeader('set-cookie', `fenghuo_session=${session}; HttpOnly; SameSite=Strict; Path=/`);
    json(response, {});
  }

  bootstrap(response) {
    const alerts = [...this.alerts.values()].filter((alert) => alert.state !== 'closed').map(head);
    json(response, { cursor: this.cursor, at_ms: this.now(), alerts, region: this.city.regions[0], children: [] });
  }

  snapshot(response) {
    const header = Buffer.alloc(12);
    header.writeBigUInt64LE(BigInt(this.cursor), 0);
    header.writeUInt32LE(this.city.colours.length, 8);
    const bytes = gzipSync(Buffer.concat([header, this.city.colours]));
    response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-encoding': 'gzip' }).end(bytes);
  }

  sendGeometry(request, response) {
    response.setHeader('etag', this.geometryTag).setHeader('cache-control', 'private, no-cache');
    if (request.headers['if-none-match'] === this.geometryTag) return response.writeHead(304).end();
    response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' }).end(this.geometryZipped);
  }

  stream(url, request, response) {
    const after = Number(request.headers['last-event-id'] ?? url.searchParams.get('after') ?? this.cursor);
    if (after + 1 < this.oldest) return problem(response, 410, 'this cursor is too old', { oldest: this.oldest });
    this.feedsOpened += 1;
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
    response.write(':ok\n\n');
    for (const event of this.events) if (event.cursor > after) response.write(frame(event));
    this.streams.add(response);
    response.on('close', () => this.streams.delete(response));
  }

  page(url, response) {
    const after = Number(url.searchParams.get('after') ?? 0);
    if (after + 1 < this.oldest) return problem(response, 410, 'this cursor is too old', { oldest: this.oldest });
    const events = this.events.filter((event) => event.cursor > after).slice(0, Number(url.searchParams.get('limit') ?? 100));
    json(response, { events, next: events.at(-1)?.cursor ?? after });
  }

  heartbeat() {
    if (this.down) return;
    for (const stream of this.streams) stream.write(`id: ${this.cursor}\nevent: heartbeat\ndata: {}\n\n`);
  }

  unit(index) {
    const { units, regions, category, colours } = this.city;
    const grid = this.gridOf(index);
    const path = [6, 9, 12, 15].map((length) => regions.find((region) => region.code === grid.slice(0, length)));
    const alerts = [...this.alerts.values()].filter((alert) => alert.unit === units.code[index]);
    const colour = COLOURS[colours[index]];
    const reasons = alerts.filter((alert) => alert.state !== 'closed').map((alert) => ({
      rule: 'smoke', text_zh: alert.summary_zh, text_en: alert.summary_en, colour: alert.colour, device: 'huayi/s-17', since_ms: alert.raised_ms,
      evidence: { zh: alert.summary_zh, en: alert.summary_en }, would_change_zh: '浓度连续 10 分钟低于 0.05 dB/m 且报警复位', would_change_en: 'ten minutes below 0.05 dB/m and the alarm reset',
    }));
    return {
      code: units.code[index], name: units.name[index], category: category[index], address: `${path[1]?.name}${path[2]?.name}${(index % 190) + 1}号`, grid, colour,
      since_ms: this.now() - 65_000, owner: { code: 'P00017', name: '林建国', phone: '138****0017' }, path: path.map((region) => ({ code: region.code, name: region.name })), reasons,
      devices: [
        { vendor: 'huayi', device: 's-17', class: 'smoke', location: '厨房', status: 'alarm', last_seen_ms: this.now() - 4_000, report_every_s: 86_400 },
        { vendor: 'huayi', device: 'e-03', class: 'electrical', location: '总配电箱', status: 'online', last_seen_ms: this.now() - 9_000, report_every_s: 10 },
        { vendor: 'anke', device: 'g-88', class: 'gas', location: '灶台', status: 'lost', last_seen_ms: null, report_every_s: 3_600 },
      ],
      cameras: [{ code: 'C-1102', location: '门前' }], alerts: alerts.map(head),
    };
  }

  async act(route, request, response) {
    const [, noun, id, verb] = route.split('/').map(decodeURIComponent);
    const alert = noun === 'alerts' ? this.alerts.get(id) : undefined;
    if (!alert) return problem(response, 404, `no alert ${id}`);
    const given = JSON.parse((await body(request)) || '{}');
    this.posts.push({ id, verb, given, key: request.headers['idempotency-key'] });
    if (alert.state === 'closed') return problem(response, 409, 'the alert is closed');
    const by = 'P00001';
    if (verb === 'acknowledge') {
      alert.more.acknowledged.push({ person: by, name: '王值班', at_ms: this.now() });
      const acknowledged_by = [...new Set([...alert.acknowledged_by, by])];
      this.change(alert, 'alert.acknowledged', by, { state: alert.state === 'raised' ? 'acknowledged' : alert.state, acknowledged_by }, given.note);
    } else if (verb === 'arrive') {
      alert.more.arrived.push({ person: by, name: '王值班', at_ms: this.now() });
      this.change(alert, 'alert.arrived', by, {}, given.note);
    } else if (verb === 'verify') {
      this.change(alert, 'alert.verified', by, { state: 'verified', verdict: given.verdict }, given.note);
    } else if (verb === 'close') {
      if (alert.state === 'raised') return problem(response, 409, '尚无人确认，不能关闭 nobody acknowledged it yet');
      this.change(alert, 'alert.closed', by, { state: 'closed' }, given.note);
      this.colour(this.indexOf(alert.unit), 'blue');
    } else {
      return problem(response, 404, `no action ${verb}`);
    }
    json(response, { alert: head(alert) });
  }
}

function head({ more: _more, ...summary }) {
  return summary;
}

function frame(event) {
  return `id: ${event.cursor}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
}

function json(response, value) {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}

function problem(response, status, detail, extra = {}) {
  const value = { type: 'about:blank', title: http.STATUS_CODES[status], status, detail, ...extra };
  response.writeHead(status, { 'content-type': 'application/problem+json' }).end(JSON.stringify(value));
}

async function body(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts).toString('utf8');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const at = process.argv.indexOf('--port');
  const station = new MockStation();
  const url = await station.listen(at > 0 ? Number(process.argv[at + 1]) : 8099);
  for (let i = 0; i < 9; i++) {
    const more = i % 3 === 0 ? { family: 'warning', colour: 'orange' } : i % 4 === 1 ? { family: 'fault', colour: 'yellow' } : {};
    station.raise(1_500 + i * 7_777, { agoMs: i * 47_000, ...more });
  }
  console.log(`${url}/#token=${TOKEN}`);
}
