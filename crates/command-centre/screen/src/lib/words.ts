// Every word of the screen, Chinese first. `say` gives the pair in the order of the chosen language.

import type { AlertState, Colour, Family, Verdict } from './types';

export type Pair = readonly [zh: string, en: string];
export type Language = 'zh' | 'en';

export const COLOUR_WORDS: Record<Colour | 'none', { letter: Pair; name: Pair; shape: string }> = {
  red: { letter: ['红', 'R'], name: ['红色', 'Red'], shape: '▲' },
  orange: { letter: ['橙', 'O'], name: ['橙色', 'Orange'], shape: '◆' },
  yellow: { letter: ['黄', 'Y'], name: ['黄色', 'Yellow'], shape: '●' },
  blue: { letter: ['蓝', 'B'], name: ['蓝色', 'Blue'], shape: '■' },
  blind: { letter: ['盲', '?'], name: ['失联', 'Blind'], shape: '▨' },
  none: { letter: ['无', '–'], name: ['无数据', 'No data'], shape: '·' },
};

export const STATE_WORDS: Record<AlertState, Pair> = {
  raised: ['待确认', 'Ringing'],
  acknowledged: ['已确认', 'Acknowledged'],
  arrived: ['已到场', 'On the spot'],
  verified: ['已核实', 'Verified'],
  restored_unacknowledged: ['已复位未确认', 'Restored, unacknowledged'],
  restored: ['已复位', 'Restored'],
  in_work: ['处置中', 'In work'],
  checked: ['已核查', 'Checked'],
  closed: ['已结案', 'Closed'],
  shelved: ['已搁置', 'Shelved'],
  out_of_service: ['停用', 'Out of service'],
};

export const FAMILY_WORDS: Record<Family, Pair> = {
  fire: ['火警', 'Fire'],
  warning: ['预警', 'Warning'],
  fault: ['故障', 'Fault'],
};

export const VERDICT_WORDS: Record<Verdict, Pair> = {
  real: ['真火', 'Real'],
  false: ['误报', 'False'],
  test: ['测试', 'Test'],
};

/** Words the station uses as codes; what is not here is shown as it came. */
export const CODE_WORDS: Record<string, Pair> = {
  // whom a ladder tells
  owner: ['业主', 'owner'],
  grid: ['网格', 'grid'],
  village: ['村级', 'village'],
  township: ['镇街', 'township'],
  micro_station: ['微型消防站', 'micro station'],
  command_centre: ['指挥中心', 'command centre'],
  // channels
  mqtt: ['消息推送', 'MQTT'],
  console: ['值班台', 'console'],
  webhook: ['外部平台', 'webhook'],
  // deliveries and their attempts
  owed: ['待送达', 'owed'],
  delivered: ['已送达', 'delivered'],
  retry: ['将重试', 'will retry'],
  failed: ['未送达', 'failed'],
  // history
  'alert.raised': ['报警', 'raised'],
  'alert.updated': ['新证据', 'evidence'],
  'alert.acknowledged': ['确认', 'acknowledged'],
  'alert.arrived': ['到场', 'arrived'],
  'alert.verified': ['核实', 'verified'],
  'alert.restored': ['复位', 'restored'],
  'alert.rang_again': ['再次报警', 'rang again'],
  'alert.escalated': ['升级通知', 'escalated'],
  'alert.closed': ['结案', 'closed'],
  'alert.assigned': ['派遣', 'assigned'],
  'alert.work_begun': ['开始处置', 'work begun'],
  'alert.work_finished': ['处置完成', 'work finished'],
  'alert.checked': ['核查通过', 'checked'],
  'alert.check_failed': ['核查未通过', 'check failed'],
  'alert.noted': ['记录', 'note'],
  'alert.photographed': ['照片', 'photo'],
  'alert.shelved': ['搁置', 'shelved'],
  'alert.unshelved': ['取消搁置', 'unshelved'],
  'alert.out_of_service': ['停用', 'out of service'],
  'alert.returned_to_service': ['恢复使用', 'returned to service'],
  'alert.acknowledgement_expired': ['确认已过期', 'acknowledgement expired'],
  // devices
  online: ['在线', 'online'],
  sleeping: ['休眠', 'sleeping'],
  lost: ['失联', 'lost'],
  never: ['从未上报', 'never heard'],
  unknown: ['未知', 'unknown'],
  fault: ['故障', 'fault'],
  muted: ['静音', 'muted'],
  alarm: ['报警', 'alarm'],
  smoke: ['烟感', 'smoke'],
  heat: ['温感', 'heat'],
  gas: ['燃气', 'gas'],
  co: ['一氧化碳', 'CO'],
  electrical: ['电气', 'electrical'],
  water: ['水压', 'water'],
  manual: ['手动报警', 'manual'],
  panel: ['报警主机', 'panel'],
  camera: ['摄像机', 'camera'],
  combined: ['复合探测', 'combined'],
  // roles of an account
  viewer: ['查看', 'viewer'],
  operator: ['值班', 'operator'],
  admin: ['管理', 'admin'],
};

export const WORDS = {
  fenghuo: ['烽火', 'Fenghuo'],
  live: ['实时', 'Live'],
  connecting: ['连接中', 'Connecting'],
  lost: ['连接中断', 'Connection lost'],
  lostLong: ['连接中断，画面已停', 'Connection lost, this picture is stale'],
  lostSince: ['最后数据', 'Last data'],
  lostFor: ['已中断', 'lost for'],
  retrying: ['正在自动重连', 'reconnecting by itself'],
  clockSync: ['对时', 'clock'],
  clockOff: ['本机时钟偏差', 'this clock is off by'],
  soundOn: ['开启声音', 'Arm sound'],
  soundArmed: ['声音已开', 'Sound on'],
  language: ['EN', '中文'],
  map: ['四色图', 'Four-colour map'],
  mapHelp: [
    '方向键移动，回车进入，退格返回上级',
    'Arrows move, Enter opens, Backspace goes up',
  ],
  regions: ['辖区', 'Regions'],
  units: ['单位', 'units'],
  up: ['上级', 'Up'],
  breadcrumb: ['位置', 'Place'],
  queue: ['警情队列', 'Live queue'],
  all: ['全部', 'All'],
  hereOnly: ['仅本辖区', 'This region only'],
  queueEmpty: ['暂无未结警情', 'No open alerts'],
  queueMore: ['条未显示', 'more not shown'],
  ringing: ['待确认', 'ringing'],
  since: ['已持续', 'for'],
  alert: ['警情', 'Alert'],
  unit: ['单位', 'Unit'],
  openUnit: ['查看单位', 'Open unit'],
  close: ['关闭', 'Close'],
  back: ['返回', 'Back'],
  address: ['地址', 'Address'],
  raisedAt: ['报警时间', 'Raised'],
  acknowledgedBy: ['已确认人', 'Acknowledged by'],
  arrivedWho: ['已到场', 'Arrived'],
  nobody: ['尚无人确认', 'nobody yet'],
  evidence: ['依据', 'Evidence'],
  ladder: ['通知梯次', 'Ladder'],
  deliveries: ['送达记录', 'Deliveries'],
  attempts: ['次', 'tries'],
  history: ['经过', 'History'],
  toldAt: ['已通知', 'told'],
  notNeeded: ['已确认，不再通知', 'not needed'],
  dueIn: ['后通知', 'to go'],
  dueNow: ['正在通知', 'due now'],
  acknowledge: ['确认', 'Acknowledge'],
  arrive: ['到场', 'Arrived'],
  verify: ['核实', 'Verify'],
  closeAlert: ['关闭警情', 'Close'],
  note: ['备注（可不填）', 'Note (optional)'],
  confirm: ['确定', 'Confirm'],
  cancel: ['取消', 'Cancel'],
  confirmVerify: ['核实为', 'Verify as'],
  confirmClose: ['关闭此警情？', 'Close this alert?'],
  failedAction: ['未成功', 'Not done'],
  done: ['已完成', 'Done'],
  readOnly: ['此账号只能查看', 'This account may only look'],
  reasons: ['为何是此颜色', 'Why this colour'],
  noReasons: ['无异常依据', 'Nothing out of order'],
  wouldChange: ['如何解除', 'What would change it'],
  devices: ['设备', 'Devices'],
  lastSeen: ['最近上报', 'last seen'],
  never: ['从未', 'never'],
  owner: ['业主', 'Owner'],
  category: ['类别', 'Category'],
  openAlerts: ['相关警情', 'Alerts'],
  cameras: ['摄像机', 'Cameras'],
  exercise: ['演练', 'Exercise'],
  loading: ['读取中', 'Loading'],
  loadFailed: ['读取失败', 'Could not load'],
  retry: ['重试', 'Try again'],
  signOut: ['退出', 'Sign out'],
  signIn: ['登录', 'Sign in'],
  token: ['访问令牌', 'Access token'],
  tokenHelp: ['粘贴由管理员发放的令牌', 'Paste the token your administrator gave you'],
  tokenBad: ['令牌无效或已停用', 'This token is not valid'],
  signedOut: ['登录已失效，请重新登录', 'Your session ended, sign in again'],
  noAnswer: ['服务器没有应答', 'The station does not answer'],
  newAlerts: ['条新警情', 'new alerts'],
} as const satisfies Record<string, Pair>;

export type WordKey = keyof typeof WORDS;

/** `webhook:brigade` is a webhook; a code that nobody gave a word is shown as it came. */
export function codeWord(code: string): Pair {
  const head = code.split(':')[0] ?? code;
  return CODE_WORDS[code] ?? CODE_WORDS[head] ?? CODE_WORDS[`alert.${code}`] ?? [code, code];
}
