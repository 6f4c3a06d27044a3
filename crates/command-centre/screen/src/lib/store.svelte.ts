// The state of the screen, in one place: sign-in, city, open alerts, the place being looked at, the line to
// the station. Events of the feed are applied as they come and shown in batches.

import { api, pressKey, Problem, type Action } from './api';
import { City, type Node, type Snapshot } from './city';
import { ServerClock } from './clock';
import { Feed, type Link } from './feed';
import { orderQueue } from './queue';
import { applyEvent, emptyState, resumeFrom } from './reducer';
import { formatRoute, parseRoute, resolveRoute, routeTo, type Place, type Route } from './route';
import * as sound from './sound';
import type { AlertSummary, Bootstrap, Family, FeedEvent, Me } from './types';
import { FAMILY_WORDS, WORDS, type Language } from './words';

type Phase = 'starting' | 'sign-in' | 'ready' | 'failed';

const SHOW_EVERY_MS = 50;
const SHOW_EVERY_HIDDEN_MS = 1_000;
const START_RETRY_MS = 3_000;
/** A changed roster is fetched at once, but a unit that stays unknown not again and again. */
const ROSTER_RESTART_MS = 30_000;
const LANGUAGE_KEY = 'fenghuo.language';

export class Centre {
  phase = $state<Phase>('starting');
  problem = $state<string>('');
  me = $state.raw<Me | null>(null);
  city = $state.raw<City | null>(null);
  link = $state<Link>('connecting');
  /** Server time of the last sign of life while the line is lost. */
  lostAtMs = $state(0);
  nowMs = $state(Date.now());
  offsetMs = $state(0);
  language = $state<Language>(storedLanguage());
  armed = $state(false);
  route = $state.raw<Route>(parseRoute(location.hash));
  family = $state<Family | 'all'>('all');
  hereOnly = $state(false);
  /** Open alerts, replaced as a whole once a batch. */
  alerts = $state.raw<ReadonlyMap<string, AlertSummary>>(new Map());
  /** Grows when colours changed; whoever draws or counts them depends on it. */
  colourRevision = $state(0);
  /** Grows when the holes of the duty plans changed. */
  dutyRevision = $state(0);
  /** Alerts and units that the last batch touched, for panels that show one in full. */
  touched = $state.raw<ReadonlySet<string>>(new Set());
  spoken = $state({ assertive: '', polite: '' });

  home = $derived(this.city?.home(this.me?.scope ?? '') ?? null);
  place = $derived<Place | null>(this.city && this.home ? resolveRoute(this.city, this.home, this.route) : null);
  queue = $derived(
    orderQueue(this.alerts.values(), {
      family: this.family,
      region: this.hereOnly ? (this.place?.node.code ?? '') : '',
    }),
  );
  ringing = $derived([...this.alerts.values()].filter((alert) => alert.state === 'raised'));
  canAct = $derived(this.me !== null && this.me.role !== 'viewer');

  private readonly clock = new ServerClock();
  private state = emptyState();
  private batch = { alerts: false, colours: false, touched: new Set<string>(), rang: [] as AlertSummary[] };
  private showTimer: ReturnType<typeof setTimeout> | undefined;
  private starting = false;
  private startedAt = 0;
  private readonly feed = new Feed({
    url: api.feedUrl,
    probe: async (after) => (await api.events(after, 1)).events.length,
    onEvent: (event) => this.take(event),
    onLink: (link) => this.setLink(link),
    onLostPlace: () => void this.start(),
    onSignedOut: () => this.signOut(WORDS.signedOut.join(' ')),
  });

  constructor() {
    addEventListener('hashchange', () => void this.onHash());
    addEventListener('online', () => this.feed.hurry());
    document.addEventListener('visibilitychange', () => this.show());
    setInterval(() => this.tick(), 1_000);
  }

  /** A token in the address is exchanged for a cookie and taken out of the address at once. */
  async open(): Promise<void> {
    const token = new URLSearchParams(location.hash.slice(1)).get('token');
    if (!token) return this.start();
    history.replaceState(null, '', location.pathname + location.search);
    this.route = parseRoute('');
    await this.signIn(token);
  }

  async signIn(token: string): Promise<void> {
    try {
      await api.openSession(token.trim());
    } catch (problem) {
      const refused = problem instanceof Problem && problem.status >= 400 && problem.status < 500;
      return this.signOut((refused ? WORDS.tokenBad : WORDS.noAnswer).join(' '));
    }
    await this.start();
  }

  /** At the end of a shift. Without an answer the cookie may still be good, so that is said. */
  async endSession(): Promise<void> {
    try {
      await api.closeSession();
      this.signOut('');
    } catch {
      this.signOut(WORDS.noAnswer.join(' '));
    }
  }

  /** Everything anew: account, city, alerts and colours, each exact at a cursor, then the feed from there. */
  async start(): Promise<void> {
    if (this.starting) return;
    this.starting = true;
    this.startedAt = Date.now();
    this.feed.stop();
    this.problem = '';
    try {
      const me = await api.me();
      const sent = Date.now();
      const timed = api.bootstrap().then((bootstrap) => {
        this.clock.exchange(bootstrap.at_ms, sent, Date.now());
        return bootstrap;
      });
      const [bootstrap, geometry, snapshot] = await Promise.all([timed, api.geometry(), api.snapshot()]);
      const isSame = this.city?.version === String(geometry.version) && this.me?.scope === me.scope;
      const city = this.city && isSame ? this.city : new City(geometry);
      this.adopt(me, city, bootstrap, snapshot);
    } catch (problem) {
      this.fail(problem);
    } finally {
      this.starting = false;
    }
  }

  goTo(node: Node, unit: number | null = null, alert: string | null = null): void {
    if (!this.city || !this.home) return;
    location.hash = formatRoute(routeTo(this.city, this.home, { node, unit }, alert));
  }

  up(): void {
    const { place, city } = this;
    if (!place || !city) return;
    if (place.unit !== null) this.goTo(place.node);
    else if (place.node !== this.home && place.node.parent >= 0) this.goTo(city.node(place.node.parent));
  }

  /** Opens an alert beside the map; the map stays where it is. */
  openAlert(id: string | null): void {
    location.hash = formatRoute({ ...this.route, alert: id });
  }

  openUnit(code: string): void {
    const unit = this.city?.findUnit(code);
    const grid = unit === undefined ? -1 : (this.city?.unitGrid[unit] ?? -1);
    if (this.city && unit !== undefined && grid >= 0) this.goTo(this.city.node(grid), unit);
  }

  async act(alert: string, action: Action, key = pressKey()): Promise<void> {
    const after = await api.act(alert, action, key);
    // The feed brings the same; this only spares the person the wait for it.
    const known = this.state.alerts.get(alert);
    if (known && after.updated_ms < known.updated_ms) return;
    if (after.state === 'closed') this.state.alerts.delete(alert);
    else this.state.alerts.set(alert, after);
    this.batch.alerts = true;
    this.batch.touched.add(alert);
    this.show();
  }

  toggleLanguage(): void {
    this.language = this.language === 'zh' ? 'en' : 'zh';
    try {
      localStorage.setItem(LANGUAGE_KEY, this.language);
    } catch {
      // A browser that keeps nothing still switches for now.
    }
  }

  toggleSound(): void {
    this.armed = !this.armed;
    if (this.armed) sound.arm();
    else sound.disarm();
    this.ringSound();
  }

  serverNow(): number {
    return this.nowMs + this.offsetMs;
  }

  private adopt(me: Me, city: City, bootstrap: Bootstrap, snapshot: Snapshot): void {
    city.applySnapshot(snapshot.colours);
    this.state = {
      alerts: new Map(bootstrap.alerts.map((alert) => [alert.id, alert])),
      alertsAt: bootstrap.cursor,
      coloursAt: snapshot.cursor,
      cursor: 0,
    };
    const from = resumeFrom(this.state);
    this.state.cursor = from;
    this.me = me;
    this.city = city;
    this.phase = 'ready';
    this.batch.alerts = this.batch.colours = true;
    for (const id of this.state.alerts.keys()) this.batch.touched.add(id);
    this.show();
    this.feed.start(from);
  }

  private fail(problem: unknown): void {
    if (problem instanceof Problem && (problem.status === 401 || problem.status === 403)) {
      return this.signOut(this.me ? WORDS.signedOut.join(' ') : '');
    }
    if (this.phase === 'ready') this.setLink('lost');
    else this.phase = 'failed';
    this.problem = problem instanceof Problem ? `${problem.message} ${problem.detail}` : String(problem);
    setTimeout(() => void this.start(), START_RETRY_MS);
  }

  private signOut(message: string): void {
    this.feed.stop();
    this.problem = message;
    this.phase = 'sign-in';
    sound.ring(false);
  }

  private setLink(link: Link): void {
    if (link === 'lost' && this.link !== 'lost') {
      this.lostAtMs = this.clock.now(Date.now());
      this.spoken.assertive = WORDS.lostLong.join(' ');
    }
    if (link === 'live' && this.link === 'lost') this.spoken.polite = WORDS.live.join(' ');
    this.link = link;
  }

  private take(event: FeedEvent): void {
    if (!this.city) return;
    this.clock.heard(event.at_ms, Date.now());
    const effect = applyEvent(this.state, this.city, event);
    if (effect.gap) return void this.start();
    if (effect.unknownUnit && Date.now() - this.startedAt > ROSTER_RESTART_MS) return void this.start();
    if (effect.alert) {
      this.batch.alerts = true;
      this.batch.touched.add(effect.alert);
    }
    if (effect.unit) {
      this.batch.colours = true;
      this.batch.touched.add(effect.unit);
    }
    if (effect.duty) this.dutyRevision += 1;
    if (effect.rang) this.batch.rang.push(effect.rang);
    this.showTimer ??= setTimeout(() => this.show(), document.hidden ? SHOW_EVERY_HIDDEN_MS : SHOW_EVERY_MS);
  }

  private show(): void {
    clearTimeout(this.showTimer);
    this.showTimer = undefined;
    const { batch } = this;
    this.batch = { alerts: false, colours: false, touched: new Set(), rang: [] };
    this.offsetMs = this.clock.offsetMs;
    if (batch.colours) this.colourRevision += 1;
    if (batch.alerts) {
      this.alerts = new Map(this.state.alerts);
      this.speak(batch.rang);
      this.ringSound();
    }
    if (batch.touched.size > 0) this.touched = batch.touched;
  }

  private speak(rang: AlertSummary[]): void {
    const fires = rang.filter((alert) => alert.family === 'fire');
    if (fires.length > 0) this.spoken.assertive = announcement(fires, this.language);
    else if (rang.length > 0) this.spoken.polite = announcement(rang, this.language);
  }

  private ringSound(): void {
    sound.ring(this.armed && this.ringing.some((alert) => alert.family === 'fire' && !alert.exercise));
  }

  private tick(): void {
    if (!document.hidden) this.nowMs = Date.now();
  }

  private async onHash(): Promise<void> {
    if (location.hash.startsWith('#token=')) return this.open();
    this.route = parseRoute(location.hash);
  }
}

function announcement(alerts: AlertSummary[], language: Language): string {
  const side = language === 'zh' ? 0 : 1;
  if (alerts.length > 3) return `${alerts.length} ${WORDS.newAlerts[side]}`;
  return alerts
    .map((alert) => `${FAMILY_WORDS[alert.family][side]}：${alert.unit_name}，${alert.address}`)
    .join('；');
}

function storedLanguage(): Language {
  try {
    return localStorage.getItem(LANGUAGE_KEY) === 'en' ? 'en' : 'zh';
  } catch {
    return 'zh';
  }
}
