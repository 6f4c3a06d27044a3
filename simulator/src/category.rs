//! Kinds of premises: how many there are, what they look like inside, what burns there, and what is installed.
//!
//! Shares are the author's guess at a manufacturing town of the Zhejiang coast; rooms are typical ones.

use crate::roster::Class;

/// The shape of a day: when people are there, machines run, and meals are cooked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Day {
    Home,
    Shop,
    Works,
    Always,
}

/// A kind of premises.
#[derive(Debug)]
pub struct Category {
    pub name: &'static str,
    /// Out of 1,000 units.
    pub share: u32,
    pub day: Day,
    /// Room in which a fire starts: floor area, m².
    pub area_m2: f32,
    /// Ceiling height, m.
    pub height_m: f32,
    /// Rated current of the main circuit, A.
    pub rated_a: f32,
    /// How many times as likely to burn as a dwelling.
    pub fire_weight: f32,
    /// Somebody cooks there.
    pub kitchen: bool,
    /// Goods are stored high.
    pub stores: bool,
    /// May have several devices.
    pub many: bool,
}

#[allow(clippy::too_many_arguments)] // a table row
const fn row(
    name: &'static str,
    share: u32,
    day: Day,
    area_m2: f32,
    height_m: f32,
    rated_a: f32,
    fire_weight: f32,
    kitchen: bool,
    stores: bool,
    many: bool,
) -> Category {
    Category { name, share, day, area_m2, height_m, rated_a, fire_weight, kitchen, stores, many }
}

/// All kinds; a unit's `category` column is the name.
pub const CATEGORIES: &[Category] = &[
    row("出租房", 240, Day::Home, 16.0, 2.7, 25.0, 1.6, true, false, false),
    row("居民自建房", 170, Day::Home, 20.0, 2.9, 32.0, 1.0, true, false, false),
    row("沿街商铺", 200, Day::Shop, 40.0, 3.4, 40.0, 1.2, false, true, false),
    row("企业厂房", 110, Day::Works, 400.0, 6.0, 250.0, 2.0, false, true, true),
    row("家庭作坊", 62, Day::Works, 60.0, 3.2, 63.0, 2.2, true, true, false),
    row("多层住宅", 80, Day::Home, 22.0, 2.8, 32.0, 0.8, true, false, false),
    row("高层住宅", 24, Day::Home, 24.0, 2.8, 40.0, 0.8, true, false, true),
    row("餐饮场所", 48, Day::Shop, 50.0, 3.2, 80.0, 2.0, true, false, true),
    row("民宿", 12, Day::Home, 20.0, 2.8, 50.0, 1.2, true, false, true),
    row("宾馆", 6, Day::Always, 24.0, 2.8, 160.0, 1.2, true, false, true),
    row("仓库", 18, Day::Works, 500.0, 7.0, 63.0, 2.0, false, true, true),
    row("养老院", 2, Day::Always, 24.0, 2.8, 100.0, 1.0, true, false, true),
    row("学校", 4, Day::Works, 60.0, 3.4, 160.0, 0.5, true, false, true),
    row("幼儿园", 4, Day::Works, 50.0, 3.2, 80.0, 0.5, true, false, true),
    row("医疗机构", 3, Day::Always, 24.0, 2.9, 200.0, 0.6, false, false, true),
    row("商场超市", 4, Day::Shop, 300.0, 4.5, 250.0, 1.0, false, true, true),
    row("公共娱乐场所", 4, Day::Shop, 80.0, 3.4, 160.0, 1.5, false, false, true),
    row("办公楼", 9, Day::Works, 60.0, 3.0, 160.0, 0.6, false, false, true),
];

/// Looks a name up; a roster that is not ours may have others, which count as shops.
pub fn find(name: &str) -> &'static Category {
    CATEGORIES.iter().find(|c| c.name == name).unwrap_or(&CATEGORIES[2])
}

/// How well a class of device suits a kind of premises; 0: never installed there.
pub fn affinity(category: &Category, class: Class) -> f32 {
    let dwelling = category.day == Day::Home;
    match class {
        Class::Panel => {
            if category.many {
                12.0
            } else {
                0.0
            }
        }
        Class::Combined => {
            if category.many {
                5.0
            } else {
                0.3
            }
        }
        Class::Electrical => match category.day {
            Day::Works => 5.0,
            Day::Shop => 3.0,
            _ => 1.0,
        },
        Class::Gas => {
            if category.kitchen {
                3.0
            } else {
                0.0
            }
        }
        Class::Water => {
            if category.many {
                4.0
            } else {
                0.4
            }
        }
        Class::Co => {
            if category.kitchen {
                1.0
            } else {
                0.2
            }
        }
        Class::Smoke => {
            if dwelling {
                4.0
            } else {
                2.0
            }
        }
        Class::Heat => {
            if category.stores || category.kitchen {
                1.0
            } else {
                0.3
            }
        }
        Class::Manual => {
            if category.many {
                2.0
            } else {
                0.1
            }
        }
        Class::Camera => {
            if category.many {
                6.0
            } else {
                0.6
            }
        }
    }
}

/// Where a device of a class hangs.
pub fn locations(class: Class) -> &'static [&'static str] {
    match class {
        Class::Smoke | Class::Combined => &["客厅顶部", "卧室顶部", "走廊顶部", "楼梯间", "一层营业区", "二层房间"],
        Class::Heat => &["厨房顶部", "车间顶部", "车库", "锅炉房"],
        Class::Gas => &["厨房灶台旁", "燃气表间", "后厨"],
        Class::Co => &["厨房", "卧室", "热水器旁"],
        Class::Electrical => &["总配电箱", "一层配电箱", "二层配电箱", "车间配电柜", "充电区配电箱"],
        Class::Water => &["屋顶消火栓", "室外消火栓", "喷淋末端", "消防水箱", "消防泵房"],
        Class::Manual => &["安全出口旁", "楼梯口", "值班室"],
        Class::Panel => &["消防控制室", "值班室"],
        Class::Camera => &["大门", "一层通道", "楼梯口", "充电区", "仓储区"],
    }
}
