/* The vendored JSON library, without what no plugin needs: documents are JSON as RFC 8259 has it, and come whole. */
#define YYJSON_DISABLE_NON_STANDARD 1
#define YYJSON_DISABLE_INCR_READER 1
#include "../vendor/yyjson/yyjson.c"
