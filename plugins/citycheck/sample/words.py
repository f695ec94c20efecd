"""The words that the synthetic source systems use. The city's profile maps every one of them."""

from __future__ import annotations

DIMENSIONS = {
    "GOV": "治理",
    "EDU": "教育",
    "ELD": "养老",
    "HLT": "卫生",
    "CUL": "文化",
    "COM": "商业",
    "SPT": "体育",
    "CNV": "便民",
}
KINDS = {
    "F01": "社区综合服务中心",
    "F02": "警务与矛盾调解服务点",
    "F03": "托育服务设施",
    "F04": "幼儿园",
    "F05": "小学",
    "F06": "儿童之家",
    "F07": "居家养老服务照料中心",
    "F08": "老年食堂",
    "F09": "养老机构",
    "F10": "社区卫生服务中心",
    "F11": "社区卫生服务站",
    "F12": "社区文化活动中心",
    "F13": "公共阅读空间",
    "F14": "菜市场",
    "F15": "便利店与综合超市",
    "F16": "多功能运动场地",
    "F17": "室外健身活动场地",
    "F18": "邮件快件末端设施",
    "F19": "便民商业网点",
    "F20": "停车与充电设施",
}
KIND_DIMENSIONS = [
    *["GOV"] * 2,
    *["EDU"] * 4,
    *["ELD"] * 3,
    *["HLT"] * 2,
    *["CUL"] * 2,
    *["COM"] * 2,
    *["SPT"] * 2,
    *["CNV"] * 3,
]
STORES = {"便利店": "convenience_store", "综合超市": "supermarket"}
OUTLETS = {
    "便利店": "convenience_store",
    "综合超市": "supermarket",
    "菜市场": "fresh_market",
    "生鲜超市": "fresh_shop",
    "早餐店": "breakfast",
    "洗染店": "laundry",
    "美容美发店": "hairdresser",
    "照相文印店": "photo_copy",
    "家政服务点": "housekeeping",
    "维修点": "repair_shop",
    "药店": "pharmacy",
    "邮政快递综合服务点": "post_express",
}
OPERATING = {"正常": "operating", "停用": "closed", "在建": "planned"}
AREA_TYPES = {"存量": "stock", "新建": "new"}
PROPERTY_MODELS = {
    "专业接管": "professional",
    "社区托管": "community_trustee",
    "业主自管": "owner_managed",
    "无物业": "none",
}
WITH_COMPANY = ["专业接管", "社区托管"]
"""Models of property service in which a company serves the estate."""
CREDIT_GRADES = {"A": 90, "B": 80, "C": 60, "D": 0}
"""Grade of a company's credit, and the points from which it has it."""
AGE_GROUPS = ["0-2岁", "3-5岁", "6-11岁", "12-14岁", "15-59岁", "60岁及以上"]

AGE_BANDS = ["18-29岁", "30-44岁", "45-59岁", "60岁及以上"]
MARGINS = {
    "年龄段": AGE_BANDS,
    "性别": ["女", "男"],
    "住房性质": ["自有", "租住"],
    "家中有12岁及以下儿童": ["是", "否"],
    "家庭人口数": ["1人", "2人", "3人", "4人", "5人及以上"],
}
SATISFACTION = ["很不满意", "不满意", "一般", "满意", "很满意"]
IMPORTANCE = ["不重要", "不太重要", "一般", "重要", "很重要"]
UNKNOWN, NOT_USED = "不清楚", "没用过"
UNKNOWN_ON_PAPER, NOT_USED_ON_PAPER = "9", "8"
NEEDS = [
    ("邻里客厅与活动空间", "CUL"),
    ("文化活动与阅读", "CUL"),
    ("运动健身场地", "SPT"),
    ("社区公园与口袋绿地", "SPT"),
    ("0-3岁托育", "EDU"),
    ("幼儿园入园", "EDU"),
    ("小学学位与上学安全", "EDU"),
    ("课后托管与儿童活动", "EDU"),
    ("就近看病配药", "HLT"),
    ("家庭医生与慢病管理", "HLT"),
    ("日间照料与居家养老", "ELD"),
    ("老年助餐", "ELD"),
    ("就业创业服务", "CNV"),
    ("来料加工与家门口岗位", "CNV"),
    ("屋面外墙楼道维修", "CNV"),
    ("加装电梯与适老化改造", "ELD"),
    ("给排水与管线", "CNV"),
    ("消防用电燃气安全", "GOV"),
    ("停车", "CNV"),
    ("电动车与新能源车充电", "CNV"),
    ("步行道无障碍与照明", "CNV"),
    ("垃圾分类与保洁", "CNV"),
    ("绿化与噪声治理", "CNV"),
    ("节能改造与旧物回收", "CNV"),
    ("买菜", "COM"),
    ("便利店超市早餐", "COM"),
    ("家政维修理发药店", "CNV"),
    ("快递收寄", "CNV"),
    ("物业服务与报事报修", "GOV"),
    ("议事协商与信息公开", "GOV"),
]

# Word of the source: (category of the standard, weight, hours until due, department, what a reporter writes)
CATEGORIES: dict[str, tuple[str, float, int, str, str]] = {
    "房屋渗漏": ("structure", 3.0, 168, "住建局", "顶楼屋面下雨渗水"),
    "外墙脱落": ("structure", 1.0, 72, "住建局", "外墙瓷砖松动，担心掉落"),
    "消防设施": ("fire_safety", 1.8, 72, "消防救援大队", "楼道灭火器过期"),
    "消防通道占用": ("fire_safety", 2.2, 24, "消防救援大队", "电动车停在消防通道上"),
    "燃气": ("gas", 2.0, 24, "住建局", "楼道里有燃气味"),
    "电梯故障": ("lift", 5.0, 24, "市场监管局", "电梯异响，停在半层"),
    "道路破损": ("road", 4.5, 120, "市政公司", "路面坑洼，井盖松动"),
    "人行道": ("walkway", 3.0, 120, "市政公司", "人行道地砖翘起"),
    "无障碍设施": ("walkway", 1.0, 168, "残联", "坡道被杂物挡住"),
    "违规停车": ("parking", 8.0, 48, "综合执法局", "车辆停在单元门口"),
    "停车位不足": ("parking", 4.0, 168, "物业企业", "晚上回来没有车位"),
    "路灯": ("street_light", 5.0, 72, "市政公司", "路灯不亮"),
    "垃圾清运": ("cleaning", 6.0, 48, "环卫中心", "垃圾桶满了没有清运"),
    "楼道保洁": ("cleaning", 4.0, 72, "物业企业", "楼道多日没有打扫"),
    "施工噪声": ("noise", 3.5, 48, "综合执法局", "夜间施工影响休息"),
    "生活噪声": ("noise", 5.0, 72, "派出所", "广场音响声音太大"),
    "绿化养护": ("greening", 5.0, 120, "物业企业", "树枝遮挡窗户"),
    "物业服务": ("property_service", 9.0, 120, "物业企业", "门禁坏了没人修"),
    "物业收费": ("property_service", 3.0, 168, "物业企业", "公共水电费没有公示"),
    "供水": ("water_supply", 5.0, 48, "水务公司", "水压不足"),
    "排水堵塞": ("drainage", 5.0, 48, "水务公司", "下水道反水"),
    "内涝积水": ("drainage", 2.0, 24, "市政公司", "雨后路口积水"),
    "供电": ("power", 4.0, 24, "供电公司", "单元频繁跳闸"),
    "公共设施损坏": ("public_facility", 4.0, 120, "街道办事处", "健身器材松动"),
    "交通秩序": ("traffic", 4.0, 72, "交警大队", "路口信号灯配时不合理"),
    "犬类管理": ("animal", 2.0, 72, "综合执法局", "遛狗不牵绳"),
    "流浪动物": ("animal", 1.0, 120, "综合执法局", "流浪猫狗聚集"),
    "台风暴雨": ("disaster", 0.5, 24, "应急管理局", "大风刮倒围挡"),
    "其他": ("other", 4.5, 120, "街道办事处", "咨询办事流程"),
}
REQUEST_TYPES = {
    "报修": "repair",
    "投诉": "complaint",
    "咨询": "consultation",
    "求助": "help",
    "举报": "tip",
    "建议": "suggestion",
    "表扬": "praise",
}
REQUEST_WEIGHTS = [52, 28, 7, 6, 2, 4, 1]
CHANNELS = {"邻礼通": 62, "12345": 18, "线下": 8, "网格员": 12}
OPEN, CLOSED, REJECTED = "待办", "已办结", "不予受理"
REPORT_STATUS = {OPEN: "open", CLOSED: "closed", REJECTED: "rejected"}
REMARKS = [
    "希望增加停车位",
    "路灯不亮,晚上不敢走",
    "物业回复挺快的",
    "老年食堂菜价合适，希望周末也开",
    '建议多办"邻里节"',
    "下雨天楼道渗水",
    "小区里没有孩子玩的地方",
    "请联系我，电话000-0000-0001",
]
