// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';
'require request';
'require rpc';

const list = rpc.declare({ object: 'file', method: 'list', params: [ 'path' ], expect: { entries: [] }, reject: true });
const stat = rpc.declare({ object: 'file', method: 'stat', params: [ 'path' ], reject: true });
const read = rpc.declare({ object: 'file', method: 'read', params: [ 'path' ], expect: { data: '' }, reject: true });

return baseclass.extend({
	__name__: 'fs',
	list: path => list(path),
	stat: path => stat(path),
	read: path => read(path),

	/* By LuCI's own program for that, which knows who asks. */
	exec_direct: (command, params, type) => request.post(`${L.env.cgi_base}/cgi-exec`,
		`sessionid=${L.env.sessionid}&command=${encodeURIComponent([ command, ...params ?? [] ].join(' '))}`, {
			headers: { 'Content-Type': 'application/x-www-form-urlencoded' }, nobatch: true
		}).then(reply => {
		if (!reply.ok)
			throw new Error(`${reply.status}: ${reply.text()}`);
		return type == 'json' ? reply.json() : reply.text();
	}),

	trimmed: path => read(path).then(text => text.trim())
});
