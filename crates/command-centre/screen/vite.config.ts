import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

// The bundle is committed and embedded, so the same sources must give the same bytes in any folder:
// names come from content hashes, and the class suffix of a component from its style, not from its path.
export default defineConfig({
  base: './',
  plugins: [
    svelte({
      configFile: false,
      compilerOptions: { cssHash: ({ hash, css }) => `f-${hash(css)}` },
    }),
  ],
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    cssCodeSplit: false,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
  },
  server: { proxy: { '/api': process.env.FENGHUO_URL ?? 'http://127.0.0.1:8080' } },
  test: { include: ['test/**/*.test.ts'] },
});
