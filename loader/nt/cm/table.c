/* The registry at its start, in order of enumeration: what Windows 10 has of it and programs, run-times and the system
 * DLLs ask for. Depth, name, text; a value stands one level below its key. */
#include "loader/nt/cm/private.h"

#define KEY(depth, name) {depth, CM_LINE_KEY, 0, 0, name, NULL}
#define NAMED(depth, which) {depth, CM_LINE_KEY, which, 0, NULL, NULL}
#define LINK_TO(depth, name, target) \
    {depth, CM_LINE_LINK_KEY, 0, 0, name, NULL}, {depth + 1, CM_LINE_LINK, 0, 0, "SymbolicLinkValue", target}
#define SZ(depth, name, text) {depth, CM_LINE_STRING, 0, 0, name, text}
#define EXPAND(depth, name, text) {depth, CM_LINE_EXPAND, 0, 0, name, text}
#define NUMBER(depth, name, number) {depth, CM_LINE_NUMBER, 0, number, name, NULL}
#define COMPUTED(depth, name, which) {depth, CM_LINE_COMPUTED, which, 0, name, NULL}
#define PROFILE(depth, name, below) {depth, CM_LINE_COMPUTED, CM_USER_PROFILE, 0, name, below}
#define MANY(depth, kind, pairs) {depth, kind, 0, 0, "", pairs}

/* advapi32 wants a signature to be there; it does not look at it. */
#define PROVIDER(name, type) \
    KEY(7, name), SZ(8, "Image Path", "C:\\windows\\system32\\rsaenh.dll"), {8, CM_LINE_BYTES, 0, 0xefbeadde, "Signature", NULL}, \
        NUMBER(8, "Type", type)
#define PROVIDER_TYPE(key, name, text) KEY(7, key), SZ(8, "Name", name), SZ(8, "TypeName", text)
#define ROAMING "\\AppData\\Roaming\\Microsoft\\Windows\\"
#define LOCAL "\\AppData\\Local\\Microsoft\\Windows\\"

const struct cm_line cm_lines[] = {
    KEY(0, "REGISTRY"),
    KEY(1, "MACHINE"),

    KEY(2, "HARDWARE"),
    KEY(3, "DESCRIPTION"),
    KEY(4, "System"),
    SZ(5, "Identifier", "AT/AT COMPATIBLE"),
    KEY(5, "CentralProcessor"),
    KEY(6, "0"),
    COMPUTED(7, "ProcessorNameString", CM_PROCESSOR_NAME), COMPUTED(7, "VendorIdentifier", CM_PROCESSOR_VENDOR),
    NUMBER(7, "~MHz", 2000),
    KEY(5, "BIOS"),
    SZ(6, "BIOSVendor", ""), SZ(6, "SystemManufacturer", ""), SZ(6, "SystemProductName", ""),
    KEY(3, "DEVICEMAP"),

    KEY(2, "SAM"),
    KEY(2, "SECURITY"),

    KEY(2, "SOFTWARE"),
    KEY(3, "Classes"),
    KEY(4, "CLSID"), KEY(4, "Interface"), KEY(4, "TypeLib"),
    KEY(3, "Clients"),
    KEY(3, "Microsoft"),
    KEY(4, "Cryptography"),
    COMPUTED(5, "MachineGuid", CM_MACHINE_GUID),
    KEY(5, "Defaults"),
    KEY(6, "Provider"),
    PROVIDER("Microsoft Base Cryptographic Provider v1.0", 1),
    PROVIDER("Microsoft Enhanced Cryptographic Provider v1.0", 1),
    PROVIDER("Microsoft Enhanced RSA and AES Cryptographic Provider", 24),
    PROVIDER("Microsoft Enhanced RSA and AES Cryptographic Provider (Prototype)", 24),
    PROVIDER("Microsoft RSA SChannel Cryptographic Provider", 12),
    PROVIDER("Microsoft Strong Cryptographic Provider", 1),
    KEY(6, "Provider Types"),
    PROVIDER_TYPE("Type 001", "Microsoft Enhanced Cryptographic Provider v1.0", "RSA Full (Signature and Key Exchange)"),
    PROVIDER_TYPE("Type 012", "Microsoft RSA SChannel Cryptographic Provider", "RSA SChannel"),
    PROVIDER_TYPE("Type 024", "Microsoft Enhanced RSA and AES Cryptographic Provider", "RSA Full and AES"),
    KEY(4, "OLE"),
    SZ(5, "EnableDCOM", "Y"), SZ(5, "EnableRemoteConnect", "N"),
    KEY(4, "Rpc"),
    KEY(4, "SystemCertificates"),
    KEY(4, "Windows"),
    KEY(5, "CurrentVersion"),
    SZ(6, "CommonFilesDir", "C:\\Program Files\\Common Files"),
    SZ(6, "CommonFilesDir (x86)", "C:\\Program Files (x86)\\Common Files"),
    EXPAND(6, "DevicePath", "%SystemRoot%\\inf"), EXPAND(6, "MediaPathUnexpanded", "%SystemRoot%\\Media"),
    SZ(6, "ProgramFilesDir", "C:\\Program Files"), SZ(6, "ProgramFilesDir (x86)", "C:\\Program Files (x86)"),
    EXPAND(6, "ProgramFilesPath", "%ProgramFiles%"),
    KEY(6, "App Paths"),
    KEY(6, "Explorer"),
    KEY(7, "Shell Folders"),
    SZ(8, "Common AppData", "C:\\ProgramData"), SZ(8, "Common Desktop", "C:\\users\\Public\\Desktop"),
    SZ(8, "Common Documents", "C:\\users\\Public\\Documents"),
    SZ(8, "Common Programs", "C:\\ProgramData\\Microsoft\\Windows\\Start Menu\\Programs"),
    SZ(8, "Common Start Menu", "C:\\ProgramData\\Microsoft\\Windows\\Start Menu"),
    SZ(8, "Common Startup", "C:\\ProgramData\\Microsoft\\Windows\\Start Menu\\Programs\\StartUp"),
    SZ(8, "Common Templates", "C:\\ProgramData\\Microsoft\\Windows\\Templates"),
    KEY(7, "User Shell Folders"),
    EXPAND(8, "Common AppData", "%ProgramData%"), EXPAND(8, "Common Desktop", "%PUBLIC%\\Desktop"),
    EXPAND(8, "Common Documents", "%PUBLIC%\\Documents"),
    KEY(6, "Policies"),
    KEY(7, "System"),
    NUMBER(8, "ConsentPromptBehaviorAdmin", 0), NUMBER(8, "EnableLUA", 0),
    KEY(6, "Run"),
    KEY(6, "SharedDLLs"),
    KEY(6, "Uninstall"),
    KEY(4, "Windows NT"),
    KEY(5, "CurrentVersion"),
    COMPUTED(6, "BuildLab", CM_BUILD_LAB), COMPUTED(6, "BuildLabEx", CM_BUILD_LAB), COMPUTED(6, "CurrentBuild", CM_BUILD),
    COMPUTED(6, "CurrentBuildNumber", CM_BUILD), NUMBER(6, "CurrentMajorVersionNumber", 10),
    NUMBER(6, "CurrentMinorVersionNumber", 0), SZ(6, "CurrentType", "Multiprocessor Free"), SZ(6, "CurrentVersion", "6.3"),
    SZ(6, "DisplayVersion", "21H1"), SZ(6, "EditionID", "Professional"), SZ(6, "InstallationType", "Client"),
    NUMBER(6, "InstallDate", 0x5f000000), SZ(6, "PathName", "C:\\windows"), SZ(6, "ProductId", "00330-80000-00000-AA000"),
    SZ(6, "ProductName", "Windows 10 Pro"), SZ(6, "RegisteredOrganization", ""), COMPUTED(6, "RegisteredOwner", CM_USER_NAME),
    SZ(6, "ReleaseId", "2009"), SZ(6, "SystemRoot", "C:\\windows"), NUMBER(6, "UBR", 1), SZ(6, "SoftwareType", "System"),
    /* No debugger stands by: Wine's own last handler (lane reference) would start one that is not there. */
    KEY(6, "AeDebug"), SZ(7, "Auto", "1"), SZ(7, "Debugger", "-"),
    KEY(6, "Fonts"), KEY(6, "FontSubstitutes"), KEY(6, "Image File Execution Options"), KEY(6, "IniFileMapping"),
    KEY(6, "ProfileList"),
    EXPAND(7, "ProfilesDirectory", "C:\\users"), EXPAND(7, "ProgramData", "C:\\ProgramData"),
    EXPAND(7, "Public", "C:\\users\\Public"),
    NAMED(7, CM_USER_SID),
    NUMBER(8, "Flags", 0), PROFILE(8, "ProfileImagePath", ""),
    KEY(6, "Time Zones"),
    NAMED(7, CM_ZONE_KEY),
    COMPUTED(8, "Display", CM_ZONE_KEY), COMPUTED(8, "Dlt", CM_ZONE_DAYLIGHT), COMPUTED(8, "Std", CM_ZONE_STANDARD),
    COMPUTED(8, "TZI", CM_ZONE_RULES),
    KEY(6, "Winlogon"),
    SZ(7, "Shell", "explorer.exe"),
    KEY(3, "ODBC"),
    KEY(3, "Policies"),
    KEY(4, "Microsoft"),
    KEY(5, "Windows"),

    KEY(2, "SYSTEM"),
    KEY(3, "ControlSet001"),
    KEY(4, "Control"),
    SZ(5, "CurrentUser", "USERNAME"), SZ(5, "SystemStartOptions", ""),
    KEY(5, "ComputerName"),
    KEY(6, "ActiveComputerName"),
    COMPUTED(7, "ComputerName", CM_COMPUTER_NAME),
    KEY(6, "ComputerName"),
    COMPUTED(7, "ComputerName", CM_COMPUTER_NAME),
    KEY(5, "Lsa"),
    KEY(5, "MUI"), KEY(6, "UILanguages"),
    KEY(5, "Nls"),
    KEY(6, "CodePage"),
    MANY(7, CM_LINE_PAGES,
         "10000=10000 10001=10001 10002=10002 10003=10003 10004=10004 10005=10005 10006=10006 10007=10007 "
         "10008=10008 10010=10010 10017=10017 10021=10021 10029=10029 10079=10079 10081=10081 10082=10082 "
         "1026=1026 1250=1250 1251=1251 1252=1252 1253=1253 1254=1254 1255=1255 1256=1256 1257=1257 1258=1258 "
         "1361=1361 20127=20127 20866=20866 20932=20932 20949=20949 21866=21866 28591=28591 28592=28592 "
         "28593=28593 28594=28594 28595=28595 28596=28596 28597=28597 28598=28598 28599=28599 28603=28603 "
         "28605=28605 37=037 437=437 500=500 708=708 720=720 737=737 775=775 850=850 852=852 855=855 857=857 "
         "860=860 861=861 862=862 863=863 864=864 865=865 866=866 869=869 874=874 875=875 932=932 936=936 949=949 "
         "950=950"),
    SZ(7, "ACP", "1252"), SZ(7, "MACCP", "10000"), SZ(7, "OEMCP", "437"),
    KEY(6, "Language"),
    COMPUTED(7, "Default", CM_LANGUAGE), COMPUTED(7, "InstallLanguage", CM_LANGUAGE),
    KEY(6, "Language Groups"),
    MANY(7, CM_LINE_STRINGS,
         "1=1 10=1 11=1 2=1 3=1 4=1 5=1 6=1 7=1 8=1 9=1 a=1 b=1 c=1 d=1 e=1 f=1"),
    KEY(6, "Locale"),
    SZ(7, "", "00000409"),
    MANY(7, CM_LINE_STRINGS,
         "00000401=d 00000402=5 00000403=1 00000404=9 00000405=2 00000406=1 00000407=1 00000408=4 00000409=1 "
         "0000040a=1 0000040b=1 0000040c=1 0000040d=c 0000040e=2 0000040f=1 00000410=1 00000411=7 00000412=8 "
         "00000413=1 00000414=1 00000415=2 00000416=1 00000417=1 00000418=2 00000419=5 0000041a=2 0000041b=2 "
         "0000041c=2 0000041d=1 0000041e=b 0000041f=6 00000420=d 00000421=1 00000422=5 00000423=5 00000424=2 "
         "00000425=3 00000426=3 00000427=3 00000428=5 00000429=d 0000042a=e 0000042b=11 0000042c=2 0000042d=1 "
         "0000042e=1 0000042f=5 00000430=1 00000431=1 00000432=1 00000433=1 00000434=1 00000435=1 00000436=1 "
         "00000437=10 00000438=1 00000439=f 0000043a=1 0000043b=1 0000043d=1 0000043e=1 0000043f=5 00000440=5 "
         "00000441=1 00000442=2 00000443=2 00000444=5 00000445=f 00000446=f 00000447=f 00000448=f 00000449=f "
         "0000044a=f 0000044b=f 0000044c=f 0000044d=f 0000044e=f 0000044f=f 00000450=5 00000451=f 00000452=1 "
         "00000453=f 00000454=f 00000455=1 00000456=1 00000457=f 00000458=1 00000459=f 0000045a=d 0000045b=f "
         "0000045c=1 0000045d=1 0000045e=1 00000461=f 00000462=1 00000463=d 00000464=1 00000465=d 00000466=1 "
         "00000467=1 00000468=1 0000046a=1 0000046b=1 0000046c=1 0000046d=5 0000046e=1 0000046f=1 00000470=1 "
         "00000471=1 00000472=1 00000473=1 00000474=1 00000475=1 00000476=1 00000477=1 00000478=9 0000047a=1 "
         "0000047c=1 0000047e=1 00000480=d 00000481=1 00000482=1 00000483=1 00000484=1 00000485=5 00000486=1 "
         "00000487=1 00000488=1 0000048c=d 00000491=1 00000492=d 00000801=d 00000803=1 00000804=a 00000807=1 "
         "00000809=1 0000080a=1 0000080c=1 00000810=1 00000813=1 00000814=1 00000816=1 00000818=1 00000819=1 "
         "0000081d=1 00000820=1 0000082c=5 0000082e=1 00000832=1 0000083b=1 0000083c=1 0000083e=1 00000843=5 "
         "00000845=f 00000846=d 00000849=f 00000850=f 00000859=d 0000085d=1 0000085f=1 00000860=f 00000861=1 "
         "00000867=1 0000086b=1 00000873=1 00000c01=d 00000c04=9 00000c07=1 00000c09=1 00000c0a=1 00000c0c=1 "
         "00000c3b=1 00000c50=f 00000c51=1 00000c6b=1 00001001=d 00001004=a 00001007=1 00001009=1 0000100a=1 "
         "0000100c=1 0000101a=2 0000103b=1 00001401=d 00001404=9 00001407=1 00001409=1 0000140a=1 0000140c=1 "
         "0000141a=2 0000143b=1 00001801=d 00001809=1 0000180a=1 0000180c=1 0000181a=2 0000183b=1 00001c01=d "
         "00001c09=1 00001c0a=1 00001c0c=1 00001c1a=5 00001c3b=1 00002001=d 00002009=1 0000200a=1 0000200c=1 "
         "0000201a=5 0000203b=1 00002401=d 00002409=1 0000240a=1 0000240c=1 0000241a=2 0000243b=1 00002801=d "
         "00002809=1 0000280a=1 0000280c=1 0000281a=5 00002c01=d 00002c09=1 00002c0a=1 00002c0c=1 00002c1a=2 "
         "00003001=d 00003009=1 0000300a=1 0000300c=1 0000301a=5 00003401=d 00003409=1 0000340a=1 0000340c=1 "
         "00003801=d 00003809=1 0000380a=1 0000380c=1 00003c01=d 00003c09=1 00003c0a=1 00003c0c=1 00004001=d "
         "00004009=1 0000400a=1 00004409=1 0000440a=1 00004809=1 0000480a=1 00004c09=1 00004c0a=1 0000500a=1 "
         "0000540a=1 0000580a=1 00005c0a=1"),
    KEY(7, "Alternate Sorts"),
    MANY(8, CM_LINE_STRINGS,
         "0000040a=1 0001007f=1 00010407=1 0001040e=2 00010437=10 00020804=a 00021004=a 00021404=9 00030404=9 "
         "00040404=9 00040411=7 00040c04=9 00041404=9 00050804=a 00051004=a"),
    KEY(6, "Normalization"),
    MANY(7, CM_LINE_STRINGS, "1=normnfc.nls 2=normnfd.nls 5=normnfkc.nls 6=normnfkd.nls d=normidna.nls"),
    KEY(6, "Sorting"),
    KEY(7, "Ids"),
    MANY(8, CM_LINE_SORTS,
         "=01 arn=12 as=31 az=23 ba=3d bg=4a bn=32 bo=34 br=0f bs=19 co=0e cs=1c cy=2c da=1f de-DE_phoneb=3f dv=45 "
         "es=2b es-ES_tradnl=2a et=27 fa=41 fi=1a fr=03 fy=3e gu=32 haw=02 hi=32 hr=19 hsb=13 hu=04 "
         "hu-HU_technl=26 is=25 ja=46 ja-JP_radstr=36 ka-GE_modern=48 kk=0b kl=1f km=0c kn=32 ko=47 kok=32 ky=4a "
         "lo=2e lt=28 lv=05 lv-LV_tradnl=06 mi=14 mk=0a ml=32 mn=4a moh=10 mr=32 mt=2d nb=20 ne=33 nn=20 no=20 "
         "oc=03 or=32 pa=32 pa-Arab=07 pl=1d prs=16 ps=16 quc=2b qut=2b rm=11 ro=24 ru=4a sa=32 sah=09 sd=07 se=21 "
         "se-FI=1b se-SE=1b si=32 sk=29 sl=1e sma=1b sma-NO=21 smj=1b smj-NO=21 smn=1b sms=1b sq=18 sr=19 sv=1a "
         "syr=44 ta=32 te=32 tg=4a th=2f ti=3c tk=08 tr=22 tt=43 tzm=0d ug=17 uk=40 ur=15 uz-Cyrl=4a vi=30 wo=03 "
         "x-IV_mathan=35 zh=3a zh-CN_phoneb=4b zh-CN_stroke=39 zh-Hant=37 zh-HK=37 zh-HK_radstr=3b zh-MO=37 "
         "zh-MO_radstr=3b zh-SG_phoneb=4b zh-SG_stroke=39 zh-TW=37 zh-TW_pronun=38 zh-TW_radstr=3b"),
    KEY(7, "Versions"),
    SZ(8, "", "00060101"), SZ(8, "00060101", "SortDefault.nls"),
    KEY(5, "ProductOptions"),
    SZ(6, "ProductType", "WinNT"),
    KEY(5, "SecurityProviders"),
    KEY(5, "Session Manager"),
    NUMBER(6, "CriticalSectionTimeout", 2592000), NUMBER(6, "GlobalFlag", 0), NUMBER(6, "SafeDllSearchMode", 1),
    KEY(6, "Environment"),
    EXPAND(7, "ComSpec", "%SystemRoot%\\system32\\cmd.exe"), COMPUTED(7, "NUMBER_OF_PROCESSORS", CM_PROCESSORS),
    SZ(7, "OS", "Windows_NT"), EXPAND(7, "Path", "%SystemRoot%\\system32;%SystemRoot%;%SystemRoot%\\system32\\wbem"),
    SZ(7, "PATHEXT", ".COM;.EXE;.BAT;.CMD;.VBS;.VBE;.JS;.JSE;.WSF;.WSH"), SZ(7, "PROCESSOR_ARCHITECTURE", "AMD64"),
    EXPAND(7, "TEMP", "%SystemRoot%\\TEMP"), EXPAND(7, "TMP", "%SystemRoot%\\TEMP"), EXPAND(7, "windir", "%SystemRoot%"),
    KEY(6, "KnownDLLs"),
    KEY(6, "Memory Management"),
    KEY(5, "TimeZoneInformation"),
    COMPUTED(6, "ActiveTimeBias", CM_ZONE_ACTIVE_BIAS), COMPUTED(6, "Bias", CM_ZONE_BIAS),
    COMPUTED(6, "DaylightBias", CM_ZONE_DAYLIGHT_BIAS), COMPUTED(6, "DaylightName", CM_ZONE_DAYLIGHT),
    COMPUTED(6, "DaylightStart", CM_ZONE_DAYLIGHT_START), NUMBER(6, "DynamicDaylightTimeDisabled", 0),
    COMPUTED(6, "StandardBias", CM_ZONE_STANDARD_BIAS), COMPUTED(6, "StandardName", CM_ZONE_STANDARD),
    COMPUTED(6, "StandardStart", CM_ZONE_STANDARD_START), COMPUTED(6, "TimeZoneKeyName", CM_ZONE_KEY),
    KEY(5, "Windows"),
    NUMBER(6, "CSDVersion", 0), SZ(6, "Directory", "C:\\windows"), SZ(6, "SystemDirectory", "C:\\windows\\system32"),
    KEY(4, "Enum"),
    KEY(4, "Hardware Profiles"),
    KEY(5, "Current"),
    KEY(6, "Software"), KEY(6, "System"),
    KEY(4, "Services"),
    KEY(5, "Tcpip"),
    KEY(6, "Parameters"),
    EXPAND(7, "DataBasePath", "%SystemRoot%\\system32\\drivers\\etc"), SZ(7, "Domain", ""), COMPUTED(7, "Hostname", CM_HOST_NAME),
    COMPUTED(7, "NV Hostname", CM_HOST_NAME), SZ(7, "SearchList", ""),
    KEY(5, "WinSock2"),
    KEY(6, "Parameters"),
    LINK_TO(3, "CurrentControlSet", "\\Registry\\Machine\\System\\ControlSet001"),
    KEY(3, "Select"),
    NUMBER(4, "Current", 1), NUMBER(4, "Default", 1), NUMBER(4, "Failed", 0), NUMBER(4, "LastKnownGood", 1),
    KEY(3, "Setup"),
    NUMBER(4, "SystemSetupInProgress", 0),

    KEY(1, "USER"),
    KEY(2, ".DEFAULT"),
    KEY(3, "Control Panel"),
    KEY(4, "International"),
    SZ(5, "Locale", "00000409"), SZ(5, "LocaleName", "en-US"),
    KEY(3, "Environment"),
    KEY(3, "Software"),
    KEY(2, "S-1-5-18"),
    KEY(3, "Software"),
    NAMED(2, CM_USER_SID),
    KEY(3, "Console"),
    KEY(3, "Control Panel"),
    KEY(4, "Desktop"),
    KEY(4, "International"),
    SZ(5, "iCalendarType", "1"), SZ(5, "iCountry", "1"), SZ(5, "iCurrDigits", "2"), SZ(5, "iCurrency", "0"), SZ(5, "iDate", "0"),
    SZ(5, "iDigits", "2"), SZ(5, "iFirstDayOfWeek", "6"), SZ(5, "iFirstWeekOfYear", "0"), SZ(5, "iLZero", "1"),
    SZ(5, "iMeasure", "1"), SZ(5, "iNegCurr", "0"), SZ(5, "iNegNumber", "1"), SZ(5, "iPaperSize", "1"), SZ(5, "iTime", "0"),
    SZ(5, "iTimePrefix", "0"), SZ(5, "iTLZero", "0"), SZ(5, "Locale", "00000409"), SZ(5, "LocaleName", "en-US"),
    SZ(5, "NumShape", "1"), SZ(5, "s1159", "AM"), SZ(5, "s2359", "PM"), SZ(5, "sCountry", "United States"),
    SZ(5, "sCurrency", "$"), SZ(5, "sDate", "/"), SZ(5, "sDecimal", "."), SZ(5, "sGrouping", "3;0"), SZ(5, "sLanguage", "ENU"),
    SZ(5, "sList", ","), SZ(5, "sLongDate", "dddd, MMMM d, yyyy"), SZ(5, "sMonDecimalSep", "."), SZ(5, "sMonGrouping", "3;0"),
    SZ(5, "sMonThousandSep", ","), SZ(5, "sNativeDigits", "0123456789"), SZ(5, "sNegativeSign", "-"), SZ(5, "sPositiveSign", ""),
    SZ(5, "sShortDate", "M/d/yyyy"), SZ(5, "sShortTime", "h:mm tt"), SZ(5, "sThousand", ","), SZ(5, "sTime", ":"),
    SZ(5, "sTimeFormat", "h:mm:ss tt"), SZ(5, "sYearMonth", "MMMM yyyy"),
    KEY(5, "Geo"),
    SZ(6, "Name", "US"), SZ(6, "Nation", "244"),
    KEY(5, "\U0001F30E\U0001F30F\U0001F30D"),
    SZ(6, "Currencies", "USD"),
    KEY(3, "Environment"),
    EXPAND(4, "TEMP", "%USERPROFILE%\\AppData\\Local\\Temp"), EXPAND(4, "TMP", "%USERPROFILE%\\AppData\\Local\\Temp"),
    KEY(3, "Keyboard Layout"),
    KEY(4, "Preload"),
    SZ(5, "1", "00000409"),
    KEY(3, "Software"),
    KEY(4, "Classes"),
    KEY(4, "Microsoft"),
    KEY(5, "Windows"),
    KEY(6, "CurrentVersion"),
    KEY(7, "Explorer"),
    KEY(8, "Shell Folders"),
    PROFILE(9, "AppData", "\\AppData\\Roaming"), PROFILE(9, "Cache", LOCAL "INetCache"), PROFILE(9, "Desktop", "\\Desktop"),
    PROFILE(9, "Favorites", "\\Favorites"), SZ(9, "Fonts", "C:\\windows\\Fonts"), PROFILE(9, "History", LOCAL "History"),
    PROFILE(9, "Local AppData", "\\AppData\\Local"), PROFILE(9, "My Music", "\\Music"), PROFILE(9, "My Pictures", "\\Pictures"),
    PROFILE(9, "My Video", "\\Videos"), PROFILE(9, "Personal", "\\Documents"),
    PROFILE(9, "Programs", ROAMING "Start Menu\\Programs"),
    PROFILE(9, "Recent", ROAMING "Recent"), PROFILE(9, "SendTo", ROAMING "SendTo"), PROFILE(9, "Start Menu", ROAMING "Start Menu"),
    PROFILE(9, "Startup", ROAMING "Start Menu\\Programs\\StartUp"), PROFILE(9, "Templates", ROAMING "Templates"),
    KEY(8, "User Shell Folders"),
    EXPAND(9, "AppData", "%USERPROFILE%\\AppData\\Roaming"), EXPAND(9, "Desktop", "%USERPROFILE%\\Desktop"),
    EXPAND(9, "Local AppData", "%USERPROFILE%\\AppData\\Local"), EXPAND(9, "My Music", "%USERPROFILE%\\Music"),
    EXPAND(9, "My Pictures", "%USERPROFILE%\\Pictures"), EXPAND(9, "My Video", "%USERPROFILE%\\Videos"),
    EXPAND(9, "Personal", "%USERPROFILE%\\Documents"),
    KEY(7, "Internet Settings"),
    NUMBER(8, "ProxyEnable", 0),
    KEY(7, "Policies"), KEY(7, "Run"), KEY(7, "Uninstall"),
    KEY(5, "Windows NT"),
    KEY(6, "CurrentVersion"),
    KEY(4, "Policies"),
    KEY(3, "Volatile Environment"),
    PROFILE(4, "APPDATA", "\\AppData\\Roaming"), SZ(4, "HOMEDRIVE", "C:"), SZ(4, "HOMESHARE", ""),
    PROFILE(4, "LOCALAPPDATA", "\\AppData\\Local"), COMPUTED(4, "LOGONSERVER", CM_LOGON_SERVER),
    COMPUTED(4, "USERDOMAIN", CM_COMPUTER_NAME), COMPUTED(4, "USERNAME", CM_USER_NAME), PROFILE(4, "USERPROFILE", ""),
};
const uint32_t cm_line_count = sizeof cm_lines / sizeof *cm_lines;
