// A made-up city of the real size: 11 townships, 221 villages, 1,336 grids, 76,000 units. Deterministic.

const TOWNSHIPS = [
  ['001', '玉城街道', 34], ['002', '坎门街道', 30], ['003', '大麦屿街道', 28], ['101', '清港镇', 26], ['102', '楚门镇', 30],
  ['103', '干江镇', 15], ['105', '沙门镇', 18], ['106', '芦浦镇', 14], ['107', '龙溪镇', 14], ['201', '鸡山乡', 5], ['202', '海山乡', 7],
];
const CITY = '331083';
const GRIDS = 1336;
const UNITS = 76_000;
const FIRST = [...'县西垟前后南北东桥塘沙海渔盐灵龙金玉水岭陈应福文普礁'];
const SECOND = [...'前门山岙头湾塘里浦岭下坑宅洋厂港园村丰口'];
const KINDS = [['小餐馆', '餐饮'], ['阀门厂', '工业'], ['出租房', '居住出租'], ['便利店', '商业'], ['养老院', '养老'], ['家具作坊', '工业'], ['幼儿园', '教育'], ['旅馆', '住宿'], ['汽配店', '商业'], ['沿街商铺', '商业']];

/** mulberry32: small, seeded, good enough to scatter names. */
export function random(seed) {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export function makeCity(seed = 7) {
  const next = random(seed);
  const pick = (list) => list[Math.floor(next() * list.length)];
  const regions = [{ code: CITY, name: '玉环市', parent: '', level: 'city' }];
  const villages = [];
  for (const [code, name, count] of TOWNSHIPS) {
    regions.push({ code: CITY + code, name, parent: CITY, level: 'township' });
    for (let i = 1; i <= count; i++) {
      const village = CITY + code + String(i).padStart(3, '0');
      const label = pick(FIRST) + pick(SECOND) + (i % 5 === 0 ? '社区' : '村');
      regions.push({ code: village, name: label, parent: CITY + code, level: 'village' });
      villages.push({ code: village, name: label });
    }
  }
  const grids = [];
  for (let i = 0; i < GRIDS; i++) {
    const village = villages[i % villages.length];
    const serial = Math.floor(i / villages.length) + 1;
    grids.push({ code: village.code + String(serial).padStart(3, '0'), name: `${village.name}第${serial}网格`, village });
  }
  grids.sort((a, b) => (a.code < b.code ? -1 : 1));
  for (const grid of grids) regions.push({ code: grid.code, name: grid.name, parent: grid.village.code, level: 'grid' });
  const weights = grids.map(() => 0.4 + next() * 1.4);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const units = { code: [], name: [], grid: [] };
  const category = [];
  let filled = 0;
  let share = 0;
  grids.forEach((grid, index) => {
    share += weights[index];
    const until = index === grids.length - 1 ? UNITS : Math.round((share / total) * UNITS);
    for (; filled < until; filled++) {
      const [kind, group] = pick(KINDS);
      units.code.push(`U${String(filled + 1).padStart(6, '0')}`);
      units.name.push(`${pick(FIRST)}${pick(SECOND)}${kind}`);
      units.grid.push(index);
      category.push(group);
    }
  });
  const colours = new Uint8Array(UNITS).fill(1);
  for (let i = 0; i < UNITS; i++) {
    const p = next();
    colours[i] = p < 0.016 ? 2 : p < 0.0168 ? 3 : p < 0.025 ? 5 : 1;
  }
  // One village whose network is down: an area of blind units.
  const dark = villages[90].code;
  for (let i = 0; i < UNITS; i++) if (grids[units.grid[i]].code.startsWith(dark)) colours[i] = 5;
  return { version: 'mock-1', regions, grids: grids.map((grid) => grid.code), units, category, colours, villages };
}

export const COLOURS = ['none', 'blue', 'yellow', 'orange', 'red', 'blind'];
