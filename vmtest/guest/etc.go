// SPDX-License-Identifier: MIT

package guest

// etc are the files that programs read to learn about their host.
var etc = map[string]string{
	"/etc/passwd": "root:x:0:0:root:/root:/bin/sh\n" +
		"daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n" +
		"bin:x:2:2:bin:/bin:/usr/sbin/nologin\n" +
		"nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
	"/etc/group":  "root:x:0:\ndaemon:x:1:\nbin:x:2:\ntty:x:5:\nusers:x:100:\nnogroup:x:65534:\n",
	"/etc/shadow": "root:*:19000:0:99999:7:::\nnobody:*:19000:0:99999:7:::\n",
	"/etc/hosts": "127.0.0.1\tlocalhost\n" +
		"127.0.1.1\t" + Hostname + "\n" +
		"::1\tlocalhost ip6-localhost ip6-loopback\n",
	"/etc/hostname":      Hostname + "\n",
	"/etc/resolv.conf":   "# There is no network but lo.\noptions attempts:1 timeout:1\n",
	"/etc/nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\nprotocols: files\n",
	"/etc/host.conf":     "multi on\n",
	"/etc/services": "discard\t9/tcp\ndiscard\t9/udp\nftp\t21/tcp\nssh\t22/tcp\ntelnet\t23/tcp\nsmtp\t25/tcp\n" +
		"domain\t53/tcp\ndomain\t53/udp\nhttp\t80/tcp\npop3\t110/tcp\nntp\t123/udp\nimap2\t143/tcp\timap\nhttps\t443/tcp\nhttps\t443/udp\n" +
		"submission\t587/tcp\nimaps\t993/tcp\npop3s\t995/tcp\n",
	"/etc/protocols":  "ip\t0\tIP\nicmp\t1\tICMP\nigmp\t2\tIGMP\ntcp\t6\tTCP\nudp\t17\tUDP\nipv6-icmp\t58\tIPv6-ICMP\nsctp\t132\tSCTP\n",
	"/etc/shells":     "/bin/sh\n",
	"/etc/timezone":   "Etc/UTC\n",
	"/etc/os-release": "ID=ringtwin\nNAME=ringtwin\nPRETTY_NAME=\"ringtwin: a throwaway VM\"\n",
	// The same for all: nothing may depend on it.
	"/etc/machine-id": "72696e677477696e72696e677477696e\n",
}
