"use strict";
/* The page's words, English and Chinese. A word is asked for by its key; {name} takes what is given. */
const WORDS = {
  skip: ["Skip to the contents", "跳到正文"],
  language: ["Language", "语言"], theme: ["Colours", "配色"],
  auto: ["auto", "自动"], light: ["light", "浅色"], dark: ["dark", "深色"],
  previous: ["Previous step", "上一步"], next: ["Next step", "下一步"], stepper: ["Steps of loading", "装载步骤"],

  /* steps */
  file: ["file", "文件"], placed: ["placed", "定位"], filled: ["filled", "拉伸"], relocated: ["relocated", "重定位"],
  bound: ["bound", "绑定"], tls: ["TLS", "TLS"], protected: ["protected", "保护"], started: ["started", "启动"], ended: ["ended", "结束"],
  say_file: ["{name} is a file: {bytes} bytes on disk, {sections} sections. Nothing of it is in memory yet.",
             "{name} 还只是文件：磁盘上 {bytes} 字节，{sections} 个节，尚未进入内存。"],
  say_placed: ["A range of {size} is taken at {base}, its preferred base. No page can be touched yet.",
               "在首选基址 {base} 保留 {size} 地址空间，各页尚不可访问。"],
  say_moved: ["Its preferred base {preferred} cannot be had, so {size} are taken at {base}. Every address in it must be mended.",
              "首选基址 {preferred} 不可用，改在 {base} 保留 {size}，其中的每个地址都须修正。"],
  say_filled: ["The file is stretched into the image: {mapped} parts are pages of the file, {copied} are copied, {zero} are zero fill.",
               "文件被拉伸成镜像：{mapped} 个部分直接映射文件页，{copied} 个复制，{zero} 个以零填充。"],
  say_stays: ["Nothing to mend: the image lies where it was linked to.", "无须重定位：镜像就在链接时的基址上。"],
  say_relocated: ["{fixups} addresses on {pages} pages are mended, each by {delta}.", "修正 {pages} 页上的 {fixups} 个地址，各加 {delta}。"],
  say_bound: ["The DLLs that it needs are mapped ({dlls} new), and {slots} slots of its import address table get the addresses of functions.",
              "映射所需的 DLL（新增 {dlls} 个），并把 {slots} 个函数地址填入导入地址表 (IAT)。"],
  say_tls: ["It gets TLS slot {slot}, {size} for each thread.", "分得 TLS 槽 {slot}，每个线程 {size}。"],
  say_no_tls: ["It has no thread-local data of its own.", "它没有自己的线程局部数据。"],
  say_protected: ["Every section gets the rights that it asks for; from here on nobody writes to the image but its own code.",
                  "各节获得其要求的权限；此后只有它自己的代码能改写镜像。"],
  say_started: ["The first thread is set to ImageBase + OEP = {entry}; before it comes there, the initialisers run.",
                "第一个线程的起点是 ImageBase + OEP = {entry}；到达之前先运行各初始化函数。"],
  say_ended: ["The process has ended with exit code {code}.", "进程已结束，退出码 {code}。"],
  say_running: ["The page was written when the first thread was about to run; how the process ended is not known.",
                "本页在第一个线程即将运行时写成；进程如何结束不得而知。"],
  say_refused: ["Loading stopped here: {text}", "装载到此为止：{text}"],
  planned: ["planned; nothing was run", "仅为规划，未运行"],

  /* sections */
  layout: ["File and image", "文件与镜像"], space: ["Address space", "地址空间"], modules: ["Modules", "模块"], imports: ["Imports", "导入表"],
  relocations: ["Relocations", "重定位表"], handles: ["Handle table", "句柄表"], threads: ["Threads", "线程"], differences: ["Differences", "差异"],
  headers: ["Headers and tables", "文件头与各表"], events: ["Events", "事件"], parameters: ["Process parameters", "进程参数"],
  layout_lead: ["The same bytes twice: as they lie in the file, and stretched to pages in the image. Heights grow with the logarithm of the size.",
                "同样的字节两次呈现：文件中的位置，与拉伸成页之后镜像中的位置。高度随大小的对数增长。"],
  space_lead: ["Everything that lies in user space at this step. Free space is squeezed to a jagged line above, and drawn true to scale below.",
               "这一步时用户空间中的全部内容。上方把空闲空间压缩成锯齿线，下方按真实比例。"],
  modules_lead: ["In the order of initialisation. An arc leads from a module up to what it needs; an arc that leads down is a cycle that was cut.",
                 "按初始化顺序排列。弧线由模块向上指向它所需的模块；向下的弧线表示被截断的循环依赖。"],
  modules_lead_load: ["In load order. An arc leads from a module to what it needs.", "按装载顺序排列。弧线由模块指向它所需的模块。"],
  imports_lead: ["Every slot of every import address table, and where its address lies.", "每张导入地址表 (IAT) 的每个槽，以及其中地址的归属。"],
  imports_lead_file: ["What the file asks for; nothing has been bound.", "文件所要求的函数；尚未绑定。"],
  relocations_lead: ["One cell a page; the stronger its colour, the more addresses on it. Outlined cells are pages that would be mended if the image had to move.",
                     "每格一页，颜色越浓，地址越多。空心格表示镜像若须移动才会修正的页。"],

  /* ladders */
  FILE: ["FILE", "文件"], IMAGE: ["IMAGE", "镜像"], size_of_image: ["SizeOfImage", "SizeOfImage"],
  reserved: ["reserved, no access", "已保留，不可访问"], not_yet: ["not yet in memory", "尚未进入内存"], zero_fill: ["zero fill", "零填充"],
  gap: ["gap, no access", "空隙，不可访问"], not_mapped: ["not in the image", "不进入镜像"], entry: ["entry point (OEP)", "入口点 (OEP)"],
  mapped: ["pages of the file", "文件页映射"], copied: ["copied", "复制"], patched: ["mended pages", "已修正的页"], would_patch: ["pages with fix-ups", "含重定位项的页"],
  slots: ["{n} slots", "{n} 个槽"], then_zero: ["then {n} zero", "其后 {n} 零"], headers_part: ["headers", "文件头"],
  offset: ["file offset", "文件偏移"], rva: ["RVA", "RVA"], va: ["VA", "VA"],

  /* kinds */
  executable: ["executable", "可执行"], image: ["image", "镜像"], image_written: ["image, writable", "镜像，可写"], mapped_file: ["mapped file", "映射文件"],
  private: ["private", "私有"], heap: ["heap", "堆"], stack: ["stack", "栈"], shareable: ["shareable", "可共享"], free: ["free", "空闲"], none: ["reserved", "保留"],
  true_scale: ["true to scale", "真实比例"],
  parts: ["{n} parts", "{n} 段"], new_mark: ["new", "新增"], changed_mark: ["changed", "变化"],
  gone: ["gone", "消失"],

  /* columns */
  c_range: ["range", "范围"], c_size: ["size", "大小"], c_rights: ["rights", "权限"], c_use: ["use", "用途"], c_kind: ["kind", "种类"],
  c_module: ["module", "模块"], c_base: ["base", "基址"], c_moved: ["moved", "移动"], c_fixups: ["fix-ups", "重定位项"], c_slots: ["IAT slots", "IAT 槽"],
  c_tls: ["TLS", "TLS"], c_path: ["path", "路径"], c_importer: ["importer", "导入者"], c_function: ["function", "函数"], c_from: ["asked from", "来自"],
  c_slot: ["slot", "槽"], c_target: ["address", "地址"], c_lands: ["lies in", "位于"], c_handle: ["handle", "句柄"], c_type: ["type", "类型"],
  c_name: ["name", "名称"], c_access: ["access", "访问权"], c_inherit: ["inherit", "继承"], c_protect: ["protected", "保护"], c_class: ["class", "类别"],
  c_init: ["init", "初始化"], c_rva: ["RVA", "RVA"], c_phase: ["phase", "阶段"], c_event: ["event", "事件"], c_detail: ["detail", "详情"],
  c_offset: ["offset", "偏移"], c_value: ["value", "值"], c_field: ["field", "字段"], c_page: ["page", "页"], c_hint: ["hint", "提示"],
  yes: ["yes", "是"], no: ["no", "否"],

  /* tables */
  search: ["Search", "搜索"], search_imports: ["function, module or address", "函数、模块或地址"], search_events: ["verb, module, name or address", "动词、模块、名称或地址"],
  all_modules: ["all modules", "所有模块"], found: ["{n} of {all}", "{n} / {all}"], more: ["{n} more", "再显示 {n} 条"], nothing: ["Nothing fits.", "没有匹配项。"],
  dropped: ["{n} later events are not kept", "其后 {n} 个事件未保存"],
  forwarded: ["forwarded", "转发"], unresolved: ["nowhere", "无处"], no_imports: ["It imports nothing.", "它不导入任何函数。"],
  no_relocations: ["No module has anything to mend.", "没有模块需要重定位。"], heat: ["{pages} pages, {fixups} fix-ups", "{pages} 页，{fixups} 项"],
  not_applied: ["not applied: it did not move", "未应用：没有移动"], moved_by: ["moved by {delta}", "移动 {delta}"],
  no_handles: ["No handle is open.", "没有打开的句柄。"], context: ["first CONTEXT", "初始 CONTEXT"], thread: ["Thread {id}", "线程 {id}"],
  starts_at: ["begins at", "起点"], stack_of: ["stack", "栈"], first_stop: ["The thread begins in LdrInitializeThunk; then this CONTEXT is restored, and RtlUserThreadStart calls the entry point.",
    "线程先进入 LdrInitializeThunk；随后恢复此 CONTEXT，由 RtlUserThreadStart 调用入口点。"],
  needs: ["needs", "依赖"], needed_by: ["needed by", "被依赖"],
  environment: ["environment", "环境变量"],

  /* differences */
  unexplained: ["unexplained", "无法解释"], explained: ["{n} differences, each one explained", "{n} 处差异，均有解释"],
  not_explained: ["{n} of {all} differences are not explained", "{all} 处差异中有 {n} 处无法解释"], identical: ["no difference", "没有差异"],
  search_differences: ["class, module, address or value", "类别、模块、地址或值"], c_what: ["what differs", "差异内容"],
  all_classes: ["all classes", "所有类别"], side: ["Side", "一侧"],

  /* summary */
  for_machine: ["{format} for {machine}", "{format}，{machine}"], program: ["program", "程序"], dll: ["DLL", "DLL"], lane_word: ["lane {lane}", "{lane} 通道"],
  process_word: ["process", "进程"], process: ["process {id}", "进程 {id}"], exit_code: ["exit code {code}", "退出码 {code}"], was_refused: ["not loadable", "无法装载"], still: ["running when written", "写成时仍在运行"],
  overview_file: ["file", "文件"], overview_image: ["image", "镜像"], overview_process: ["process", "进程"],
  on_disk: ["on disk", "磁盘上"], alive: ["with a thread", "有了线程"], stretch: ["stretch", "拉伸"], start: ["start", "启动"],
  legend: ["Legend", "图例"], addresses: ["addresses", "地址"], place_hint: ["Point at anything, or move with the arrow keys, to read its addresses here.", "指向任意部分，或用方向键移动，即可在此读取其地址。"],
  keys: ["Keys: ← → steps, / search, arrow keys within a picture.", "按键：← → 切换步骤，/ 搜索，图中用方向键移动。"],
  made_by: ["Written by peload {version}. This page needs no network.", "由 peload {version} 生成。本页无需网络。"],
};

/* The classes of a comparison; a class that is not here keeps its own name. */
const CLASSES = {
  unexplained: ["unexplained", "无法解释"], base: ["base", "基址"], relocation: ["relocation", "重定位"], iat: ["IAT", "IAT"], redirection: ["redirection", "改向"],
  cookie: ["cookie", "安全 cookie"], image_base: ["header base", "文件头基址"], tls_index: ["TLS index", "TLS 索引"], guard: ["guard", "控制流防护"], patch: ["patch", "补丁"],
  exports: ["exports", "导出表"], data: ["data", "数据"], page_tail: ["page tail", "页尾"], protection: ["protection", "保护"], lane_layout: ["lane's layout", "通道布局"],
  lane_module: ["lane's module", "通道模块"], list_order: ["list order", "链表顺序"], system_dll: ["system DLL", "系统 DLL"], load_count: ["load count", "装载计数"], flags: ["flags", "标志"],
  headers: ["headers", "文件头"], process: ["process", "进程"], parameters: ["parameters", "参数"], environment: ["environment", "环境变量"], handles: ["handles", "句柄"],
  thread: ["thread", "线程"], output: ["output", "输出"], identity: ["identity", "同一标识"], timing: ["timing", "计时"],
  line_order: ["order of lines", "行的顺序"], expected: ["expected", "预期差异"], time_limit: ["time limit", "时限"], exit: ["exit code", "退出码"],
};
const className = name => CLASSES[name] ? CLASSES[name][state.language === "zh" ? 1 : 0] : name;

const state = { language: "en", theme: "auto", step: 0, lane: 0, module: null };

function t(key, values) {
  const word = WORDS[key];
  if (!word)
    console.error("no word for " + key);
  let text = word ? word[state.language === "zh" ? 1 : 0] : key;
  for (const name in values || {})
    text = text.replace("{" + name + "}", () => String(values[name]));
  return text;
}
