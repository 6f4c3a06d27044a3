//! Invented names. Any likeness to a person or firm is accident.

use rand::Rng;

const SURNAMES: &[&str] = &[
    "王", "李", "张", "刘", "陈", "杨", "黄", "赵", "吴", "周", "徐", "孙", "马", "朱", "胡", "郭", "何", "林", "高",
    "罗", "郑", "梁", "谢", "宋", "唐", "许", "韩", "冯", "邓", "曹", "彭", "曾", "肖", "田", "董", "潘", "袁", "蔡",
    "蒋", "余", "叶", "杜", "苏", "魏", "程", "吕", "丁", "沈", "任", "姚", "卢", "傅", "钟", "姜", "崔", "谭", "廖",
    "范", "汪", "陆", "金", "石", "戴", "应", "柯", "章",
];
const GIVEN: &[&str] = &[
    "伟", "芳", "娜", "敏", "静", "丽", "强", "磊", "军", "洋", "勇", "艳", "杰", "娟", "涛", "明", "超", "秀", "霞",
    "平", "刚", "桂", "英", "华", "玉", "萍", "红", "玲", "建", "国", "春", "梅", "海", "波", "云", "飞", "鹏", "雪",
    "林", "琴", "晓", "东", "志", "文", "永", "兴", "福", "根", "水", "法", "仙", "素", "珍", "荷", "青", "松",
];
const LUCKY: &[&str] = &[
    "鸿", "达", "鑫", "盛", "隆", "顺", "恒", "泰", "瑞", "丰", "金", "源", "宏", "远", "佳", "和", "永", "昌", "润",
    "捷", "旺", "康", "兴", "利", "诚", "信", "宝", "茂", "嘉", "华",
];
const STREETS: &[&str] = &[
    "解放路",
    "人民路",
    "建设路",
    "振兴路",
    "玉兴路",
    "环城路",
    "中心街",
    "沿海路",
    "渔港路",
    "文昌路",
    "新华路",
    "东风路",
    "西大街",
    "南门街",
    "北山路",
    "长乐路",
    "工业路",
    "科技路",
    "广场路",
    "滨江路",
];

fn pick<'a>(rng: &mut impl Rng, from: &[&'a str]) -> &'a str {
    from[rng.random_range(0..from.len())]
}

/// A person's name.
pub fn person(rng: &mut impl Rng) -> String {
    let two = rng.random_bool(0.75);
    let second = if two { pick(rng, GIVEN) } else { "" };
    format!("{}{}{}", pick(rng, SURNAMES), pick(rng, GIVEN), second)
}

/// A telephone number that no subscriber has: 000 and eight digits.
pub fn phone(rng: &mut impl Rng) -> String {
    format!("000{:08}", rng.random_range(0..100_000_000u32))
}

/// Street and house number.
pub fn street(rng: &mut impl Rng) -> String {
    format!("{}{}号", pick(rng, STREETS), rng.random_range(1..400u32))
}

/// What premises are called, by kind; `owner` is the owner's name and `door` street and number.
pub fn premises(rng: &mut impl Rng, category: &str, owner: &str, door: &str) -> String {
    let brand = |rng: &mut _| format!("{}{}", pick(rng, LUCKY), pick(rng, LUCKY));
    let suffix: &[&str] = match category {
        "出租房" => return format!("{door}出租房"),
        "居民自建房" => return format!("{owner}宅"),
        "多层住宅" => &["小区住宅楼", "公寓楼", "家园住宅楼"],
        "高层住宅" => &["大厦", "花园高层", "名苑高层"],
        "沿街商铺" => {
            &["五金店", "便利店", "服装店", "理发店", "手机店", "水果店", "建材店", "电动车行", "药店", "文具店"]
        }
        "企业厂房" => &[
            "阀门厂",
            "水暖配件厂",
            "汽摩配件厂",
            "铜加工厂",
            "家具厂",
            "塑料制品厂",
            "模具厂",
            "眼镜配件厂",
            "机床厂",
        ],
        "家庭作坊" => &["抛光加工点", "喷塑加工点", "木作坊", "缝纫加工点", "包装加工点"],
        "餐饮场所" => &["海鲜酒楼", "小吃店", "面馆", "火锅店", "大排档", "快餐店"],
        "民宿" => &["海景民宿", "客栈", "渔家民宿"],
        "宾馆" => &["宾馆", "商务酒店", "大酒店"],
        "仓库" => &["物流仓库", "冷库", "成品仓库", "快递分拣点"],
        "养老院" => &["养老院", "敬老院", "颐养中心"],
        "学校" => &["小学", "中学", "职业学校"],
        "幼儿园" => &["幼儿园", "托育园"],
        "医疗机构" => &["诊所", "卫生院", "康复医院"],
        "商场超市" => &["超市", "购物中心", "农贸市场"],
        "公共娱乐场所" => &["网吧", "歌厅", "健身馆", "影院"],
        _ => &["办公楼", "商务楼", "服务中心"],
    };
    format!("{}{}", brand(rng), pick(rng, suffix))
}
