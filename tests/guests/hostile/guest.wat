;; A plugin that gives every document a member `done`, but for those whose ids begin with `x`: at these it
;; attacks. What it does then, and where else it differs from a good plugin, stands in the tests, which put it
;; in the place of what is in braces here.
(component
  ;; migration:plugin@0.1.0, as far as it is used.
  (type $ty-types
    (instance
      (type string)
      (export "json" (type (eq 0)))
      (type (record (field "id" string) (field "body" 1)))
      (export "document" (type (eq 2)))
      (type string)
      (export "pointer" (type (eq 4)))
      (type (list 1))
      (type (variant (case "present") (case "missing") (case "equals" 1) (case "not-equals" 1) (case "less-than" 1) (case "at-least" 1) (case "one-of" 6)))
      (export "test" (type (eq 7)))
      (type (record (field "at" 5) (field "test" 8)))
      (export "condition" (type (eq 9)))
      (type (tuple 5 1))
      (type (tuple 5 5))
      (type (variant (case "set" 11) (case "remove" 5) (case "rename" 12)))
      (export "edit" (type (eq 13)))
      (type (option string))
      (type (record (field "table" string) (field "id" 15) (field "body" 1)))
      (export "insertion" (type (eq 16)))
      (type (record (field "table" string) (field "id" string)))
      (export "reference" (type (eq 18)))
      (type (list 14))
      (type (tuple 19 20))
      (type (tuple 19 1))
      (type (variant (case "insert" 17) (case "edit" 21) (case "replace" 22) (case "delete" 19)))
      (export "change" (type (eq 23)))
      (type (option 5))
      (type (record (field "code" string) (field "message" string) (field "at" 25)))
      (export "failure" (type (eq 26)))
      (type (list 24))
      (type (variant (case "skip" string) (case "edit" 20) (case "replace" 1) (case "delete") (case "changes" 28) (case "fail" 27)))
      (export "outcome" (type (eq 29)))
      (type (list string))
      (type (list 10))
      (type (record (field "name" string) (field "description" string) (field "version" u32) (field "run-after" 31) (field "table" string) (field "filter" 32) (field "reads" 31) (field "writes" 31) (field "secrets" 31)))
      (export "manifest" (type (eq 33)))
    )
  )
  (import "migration:plugin/types@0.1.0" (instance $types (type $ty-types)))
  (alias export $types "document" (type $document))
  (alias export $types "condition" (type $condition))
  (type $ty-lookup
    (instance
      (alias outer 1 $document (type))
      (export "document" (type (eq 0)))
      (type (variant (case "not-granted" string) (case "unknown-table" string) (case "limit-exceeded" string) (case "store" string)))
      (export "error" (type (eq 2)))
      (alias outer 1 $condition (type))
      (export "condition" (type (eq 4)))
      (type (list string))
      (type (option 1))
      (type (list 7))
      (type (result 8 (error 3)))
      (type (func (param "table" string) (param "ids" 6) (result 9)))
      (export "get-many" (func (type 10)))
      (type (list 5))
      (type (list 11))
      (type (list 1))
      (type (list 13))
      (type (result 14 (error 3)))
      (type (func (param "table" string) (param "queries" 12) (param "limit" u32) (result 15)))
      (export "find-many" (func (type 16)))
    )
  )
  (import "migration:plugin/lookup@0.1.0" (instance $lookup (type $ty-lookup)))
  (type $ty-context
    (instance
      (type (option string))
      (type (func (param "name" string) (result 0)))
      (export "secret" (func (type 1)))
    )
  )
  (import "migration:plugin/context@0.1.0" (instance $context (type $ty-context)))
  (type $ty-log
    (instance
      (type (enum "debug" "info" "warn" "error"))
      (export "level" (type (eq 0)))
      (type (option u32))
      (type (func (param "level" 1) (param "message" string) (param "document" 2)))
      (export "emit" (func (type 3)))
    )
  )
  (import "migration:plugin/log@0.1.0" (instance $log (type $ty-log)))

  {{component}}

  (core module $libc
    (memory (export "memory") {{memory}})
    ;; What is below belongs to the plugin: 16: the list that `transform` returns, 32: the manifest and its
    ;; texts, 32768: the edit.
    (global $free (mut i32) (i32.const 65536))
    ;; Memory is never given back: an instance lives for one call.
    (func (export "realloc") (param i32 i32 i32) (param $size i32) (result i32)
      (local $at i32) (local $missing i32)
      {{realloc}}
      (local.set $at (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
      (global.set $free (i32.add (local.get $at) (local.get $size)))
      (local.set $missing (i32.sub
        (i32.shr_u (i32.add (global.get $free) (i32.const 65535)) (i32.const 16))
        (memory.size)))
      (if (i32.gt_s (local.get $missing) (i32.const 0))
        (then (if (i32.eq (memory.grow (local.get $missing)) (i32.const -1)) (then unreachable))))
      (local.get $at)))
  (core instance $libc (instantiate $libc))
  (alias core export $libc "memory" (core memory $memory))
  (alias core export $libc "realloc" (core func $realloc))

  (core func $get-many (canon lower (func $lookup "get-many") (memory $memory) (realloc $realloc)))
  (core func $find-many (canon lower (func $lookup "find-many") (memory $memory) (realloc $realloc)))
  (core func $secret (canon lower (func $context "secret") (memory $memory) (realloc $realloc)))
  (core func $emit (canon lower (func $log "emit") (memory $memory)))

  (core module $main
    (import "libc" "memory" (memory 0))
    (import "libc" "realloc" (func $realloc (param i32 i32 i32 i32) (result i32)))
    (import "host" "get-many" (func $get-many (param $table i32) (param i32) (param $ids i32) (param i32) (param $answer i32)))
    (import "host" "find-many" (func $find-many (param $table i32) (param i32) (param $queries i32) (param i32) (param $limit i32) (param $answer i32)))
    (import "host" "secret" (func $secret (param $name i32) (param i32) (param $answer i32)))
    (import "host" "emit" (func $emit (param $level i32) (param $message i32) (param i32) (param $about i32) (param $place i32)))
    {{imports}}
    (data (i32.const 32) "{{manifest}}")
    (data (i32.const 32768) "\00\00\00\00\20\80\00\00\05\00\00\00\30\80\00\00\04\00\00\00")
    (data (i32.const 32800) "/done")
    (data (i32.const 32816) "true")
    {{module}}

    (func $allocate (param $size i32) (result i32)
      (call $realloc (i32.const 0) (i32.const 0) (i32.const 8) (local.get $size)))

    ;; A text, or a list, into a field: where it is, and how long.
    (func $put (param $field i32) (param $at i32) (param $length i32)
      (i32.store (local.get $field) (local.get $at))
      (i32.store offset=4 (local.get $field) (local.get $length)))

    (func $heal (param $outcome i32)
      (i32.store (local.get $outcome) (i32.const 1))
      (call $put (i32.add (local.get $outcome) (i32.const 4)) (i32.const 32768) (i32.const 1)))

    (func $attack (param $document i32) (param $outcome i32) (param $place i32)
      (local $i i32) (local $at i32)
      {{attack}})

    (func (export "describe") (result i32)
      {{describe}}
      (i32.const 32))

    (func (export "transform") (param $documents i32) (param $count i32) (result i32)
      (local $place i32) (local $document i32) (local $outcomes i32) (local $outcome i32)
      (local.set $outcomes (call $allocate (i32.mul (local.get $count) (i32.const 32))))
      (block $end (loop $next
        (br_if $end (i32.ge_u (local.get $place) (local.get $count)))
        (local.set $document (i32.add (local.get $documents) (i32.mul (local.get $place) (i32.const 16))))
        (local.set $outcome (i32.add (local.get $outcomes) (i32.mul (local.get $place) (i32.const 32))))
        (if (i32.eq (i32.load8_u (i32.load (local.get $document))) (i32.const 0x78))
          (then (call $attack (local.get $document) (local.get $outcome) (local.get $place)))
          (else (call $heal (local.get $outcome))))
        (local.set $place (i32.add (local.get $place) (i32.const 1)))
        (br $next)))
      (call $put (i32.const 16) (local.get $outcomes) (local.get $count))
      {{return}}
      (i32.const 16)))
  (core instance $main (instantiate $main
    (with "libc" (instance $libc))
    (with "host" (instance
      (export "get-many" (func $get-many))
      (export "find-many" (func $find-many))
      (export "secret" (func $secret))
      (export "emit" (func $emit))))
    {{with}}))

  (alias export $types "outcome" (type $outcome))
  (alias export $types "manifest" (type $manifest))
  (func $describe (result $manifest)
    (canon lift (core func $main "describe") (memory $memory)))
  (func $transform (param "documents" (list $document)) (result (list $outcome))
    (canon lift (core func $main "transform") (memory $memory) (realloc $realloc) {{lift}}))
  (instance $transform
    (export "describe" (func $describe))
    (export "transform" (func $transform)))
  (export "migration:plugin/transform@0.1.0" (instance $transform)))
