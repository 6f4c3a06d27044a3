// One thing fetched in full, again whenever the feed touched it: at once, then at most every `GAP_MS`.

import { Problem } from './api';

const GAP_MS = 400;

export class Loader<T> {
  value = $state.raw<T | null>(null);
  failure = $state('');
  private key = '';
  private timer: ReturnType<typeof setTimeout> | undefined;
  private busy = false;
  private again = false;

  constructor(private readonly fetchOne: (key: string) => Promise<T>) {}

  want(key: string): void {
    if (key !== this.key) {
      this.value = null;
      this.failure = '';
    }
    this.key = key;
    if (this.busy || this.timer !== undefined) this.again = true;
    else void this.load();
  }

  stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.key = '';
  }

  private async load(): Promise<void> {
    const { key } = this;
    this.busy = true;
    this.again = false;
    try {
      const value = await this.fetchOne(key);
      if (key === this.key) {
        this.value = value;
        this.failure = '';
      }
    } catch (problem) {
      if (key === this.key) this.failure = problem instanceof Problem ? problem.detail || problem.message : String(problem);
    }
    this.busy = false;
    if (this.key !== '' && key !== this.key) return void this.load();
    this.timer = setTimeout(() => {
      this.timer = undefined;
      if (this.again && this.key !== '') void this.load();
    }, GAP_MS);
  }
}
