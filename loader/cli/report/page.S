/* The page's own text, three files' worth as three zero-ended strings. The scripts stand one behind the other. */
#define JOIN2(a, b) a##b
#define JOIN(a, b)  JOIN2(a, b)
#define SYMBOL(name) JOIN(__USER_LABEL_PREFIX__, name)

        .section .page, "a"

        .globl SYMBOL(report_page_html)
SYMBOL(report_page_html):
        .incbin "loader/cli/report/page.html"
        .byte 0

        .globl SYMBOL(report_page_css)
SYMBOL(report_page_css):
        .incbin "loader/cli/report/page.css"
        .byte 0

        .globl SYMBOL(report_page_js)
SYMBOL(report_page_js):
        .incbin "loader/cli/report/words.js"
        .incbin "loader/cli/report/data.js"
        .incbin "loader/cli/report/draw.js"
        .incbin "loader/cli/report/steps.js"
        .incbin "loader/cli/report/ladders.js"
        .incbin "loader/cli/report/space.js"
        .incbin "loader/cli/report/modules.js"
        .incbin "loader/cli/report/tables.js"
        .incbin "loader/cli/report/differences.js"
        .incbin "loader/cli/report/page.js"
        .byte 0

#ifdef __ELF__
        .section .note.GNU-stack, "", %progbits
#endif
