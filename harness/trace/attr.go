// SPDX-License-Identifier: MIT

package trace

import (
	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// as is the representation of a field of union bpf_attr.
type as int

const (
	asNumber as = iota
	asMapType
	asProgramType
	asAttachType
	asMapFlags
	asElemFlags
	asName   // char[16]
	asString // pointer to a C string
	asFD
	asSubject // the descriptor of what the command acts on
	asKey     // pointer
	asValue   // pointer
	asBTF     // pointer
)

// field is the offset of an attribute in union bpf_attr, in bytes. Its size follows from
// its representation; a number has four bytes.
type field struct {
	name string
	at   int
	as   as
}

// command is what is known of a command of bpf(2).
type command struct {
	name   string
	makes  kind // valid if creates
	fd     bool // it returns a descriptor
	fields []field
}

// tokenCreate is BPF_TOKEN_CREATE, of Linux 6.9.
const tokenCreate = 36

// Elements of maps have the same attributes in each command.
func element(value ...field) []field {
	return append([]field{{"map_fd", 0, asSubject}, {"key", 8, asKey}}, value...)
}

var (
	ids    = []field{{"id", 0, asNumber}}
	nextID = []field{{"start_id", 0, asNumber}}
	pinned = []field{{"pathname", 0, asString}, {"bpf_fd", 8, asSubject}, {"file_flags", 12, asNumber}}
)

// commands are the layouts of union bpf_attr. Other commands are shown by number, and
// those without fields by name.
// https://elixir.bootlin.com/linux/v6.12/source/include/uapi/linux/bpf.h
var commands = map[uint64]command{
	unix.BPF_MAP_CREATE: {"BPF_MAP_CREATE", aMap, true, []field{
		{"map_type", 0, asMapType}, {"key_size", 4, asNumber}, {"value_size", 8, asNumber}, {"max_entries", 12, asNumber},
		{"map_flags", 16, asMapFlags}, {"inner_map_fd", 20, asFD}, {"map_name", 28, asName},
		{"btf_fd", 48, asFD}, {"btf_key_type_id", 52, asNumber}, {"btf_value_type_id", 56, asNumber},
	}},
	unix.BPF_PROG_LOAD: {"BPF_PROG_LOAD", aProgram, true, []field{
		{"prog_type", 0, asProgramType}, {"insn_cnt", 4, asNumber}, {"license", 16, asString}, {"log_level", 24, asNumber},
		{"prog_flags", 44, asNumber}, {"prog_name", 48, asName}, {"expected_attach_type", 68, asAttachType},
		{"prog_btf_fd", 72, asFD}, {"func_info_cnt", 88, asNumber}, {"line_info_cnt", 104, asNumber},
		{"attach_btf_id", 108, asNumber}, {"attach_btf_obj_fd", 112, asFD},
	}},
	unix.BPF_BTF_LOAD:            {"BPF_BTF_LOAD", aBTF, true, []field{{"btf", 0, asBTF}, {"btf_size", 16, asNumber}}},
	unix.BPF_MAP_LOOKUP_ELEM:     {name: "BPF_MAP_LOOKUP_ELEM", fields: element()},
	unix.BPF_MAP_UPDATE_ELEM:     {name: "BPF_MAP_UPDATE_ELEM", fields: element(field{"value", 16, asValue}, field{"flags", 24, asElemFlags})},
	unix.BPF_MAP_DELETE_ELEM:     {name: "BPF_MAP_DELETE_ELEM", fields: element()},
	unix.BPF_MAP_GET_NEXT_KEY:    {name: "BPF_MAP_GET_NEXT_KEY", fields: element()},
	unix.BPF_MAP_FREEZE:          {name: "BPF_MAP_FREEZE", fields: []field{{"map_fd", 0, asSubject}}},
	unix.BPF_OBJ_PIN:             {name: "BPF_OBJ_PIN", fields: pinned},
	unix.BPF_OBJ_GET:             {"BPF_OBJ_GET", aBPF, true, pinned},
	unix.BPF_PROG_TEST_RUN:       {name: "BPF_PROG_TEST_RUN", fields: []field{{"prog_fd", 0, asSubject}}},
	unix.BPF_PROG_BIND_MAP:       {name: "BPF_PROG_BIND_MAP", fields: []field{{"prog_fd", 0, asSubject}, {"map_fd", 4, asFD}}},
	unix.BPF_OBJ_GET_INFO_BY_FD:  {name: "BPF_OBJ_GET_INFO_BY_FD", fields: []field{{"bpf_fd", 0, asSubject}, {"info_len", 4, asNumber}}},
	unix.BPF_RAW_TRACEPOINT_OPEN: {"BPF_RAW_TRACEPOINT_OPEN", aLink, true, []field{{"name", 0, asString}, {"prog_fd", 8, asFD}}},
	unix.BPF_LINK_CREATE: {"BPF_LINK_CREATE", aLink, true, []field{
		{"prog_fd", 0, asFD}, {"target_fd", 4, asFD}, {"attach_type", 8, asAttachType}, {"flags", 12, asNumber},
	}},
	unix.BPF_LINK_DETACH:       {name: "BPF_LINK_DETACH", fields: []field{{"link_fd", 0, asSubject}}},
	unix.BPF_PROG_GET_NEXT_ID:  {name: "BPF_PROG_GET_NEXT_ID", fields: nextID},
	unix.BPF_MAP_GET_NEXT_ID:   {name: "BPF_MAP_GET_NEXT_ID", fields: nextID},
	unix.BPF_BTF_GET_NEXT_ID:   {name: "BPF_BTF_GET_NEXT_ID", fields: nextID},
	unix.BPF_LINK_GET_NEXT_ID:  {name: "BPF_LINK_GET_NEXT_ID", fields: nextID},
	unix.BPF_PROG_GET_FD_BY_ID: {"BPF_PROG_GET_FD_BY_ID", aProgram, true, ids},
	unix.BPF_MAP_GET_FD_BY_ID:  {"BPF_MAP_GET_FD_BY_ID", aMap, true, ids},
	unix.BPF_BTF_GET_FD_BY_ID:  {"BPF_BTF_GET_FD_BY_ID", aBTF, true, ids},
	unix.BPF_LINK_GET_FD_BY_ID: {"BPF_LINK_GET_FD_BY_ID", aLink, true, ids},
	unix.BPF_ENABLE_STATS:      {"BPF_ENABLE_STATS", aBPF, true, []field{{"type", 0, asNumber}}},
	unix.BPF_ITER_CREATE:       {"BPF_ITER_CREATE", aBPF, true, nil},
	tokenCreate:                {"BPF_TOKEN_CREATE", aBPF, true, nil},
	unix.BPF_LINK_UPDATE:       {name: "BPF_LINK_UPDATE"},
	unix.BPF_PROG_ATTACH:       {name: "BPF_PROG_ATTACH"},
	unix.BPF_PROG_DETACH:       {name: "BPF_PROG_DETACH"},
	unix.BPF_PROG_QUERY:        {name: "BPF_PROG_QUERY"},
	unix.BPF_TASK_FD_QUERY:     {name: "BPF_TASK_FD_QUERY"},
	unix.BPF_MAP_LOOKUP_BATCH:  {name: "BPF_MAP_LOOKUP_BATCH"},
	unix.BPF_MAP_UPDATE_BATCH:  {name: "BPF_MAP_UPDATE_BATCH"},
	unix.BPF_MAP_DELETE_BATCH:  {name: "BPF_MAP_DELETE_BATCH"},
}

// bit is a flag and its name.
type bit struct {
	mask uint64
	name string
}

var mapFlags = []bit{
	{unix.BPF_F_NO_PREALLOC, "BPF_F_NO_PREALLOC"}, {unix.BPF_F_NUMA_NODE, "BPF_F_NUMA_NODE"},
	{unix.BPF_F_RDONLY, "BPF_F_RDONLY"}, {unix.BPF_F_WRONLY, "BPF_F_WRONLY"},
	{unix.BPF_F_RDONLY_PROG, "BPF_F_RDONLY_PROG"}, {unix.BPF_F_WRONLY_PROG, "BPF_F_WRONLY_PROG"},
	{unix.BPF_F_MMAPABLE, "BPF_F_MMAPABLE"}, {unix.BPF_F_PRESERVE_ELEMS, "BPF_F_PRESERVE_ELEMS"},
	{unix.BPF_F_INNER_MAP, "BPF_F_INNER_MAP"},
}

var elemFlags = []bit{{unix.BPF_NOEXIST, "BPF_NOEXIST"}, {unix.BPF_EXIST, "BPF_EXIST"}, {unix.BPF_F_LOCK, "BPF_F_LOCK"}}

// typeName is the library's name for a number of the kernel.
func typeName(how as, value uint64) string {
	switch how {
	case asMapType:
		return ebpf.MapType(value).String()
	case asProgramType:
		return ebpf.ProgramType(value).String()
	default:
		return ebpf.AttachType(value).String()
	}
}
