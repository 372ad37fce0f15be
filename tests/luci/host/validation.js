// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';

const v4 = /^(25[0-5]|2[0-4]\d|1?\d?\d)(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}$/;
const number = text => /^[+-]?\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
const integer = text => /^[+-]?\d+$/.test(text) ? Number(text) : NaN;

function v6(text) {
	if (!/^[0-9a-fA-F:.]+$/.test(text) || !text.includes(':'))
		return false;
	try {
		return new URL(`http://[${text}]/`).hostname.length > 2;
	}
	catch (error) {
		return false;
	}
}

/* Each gives words where the text is not of it. */
const types = {
	string: () => null,
	integer: text => isNaN(integer(text)) && window.__host.base('valid integer value'),
	uinteger: text => !(integer(text) >= 0) && window.__host.base('positive integer value'),
	float: text => isNaN(number(text)) && window.__host.base('valid decimal value'),
	ufloat: text => !(number(text) >= 0) && window.__host.base('positive decimal value'),
	bool: text => !/^[01]$/.test(text) && window.__host.base('valid integer value'),
	ip4addr: text => !v4.test(text) && window.__host.base('valid IPv4 address'),
	ip6addr: text => !v6(text) && window.__host.base('valid IPv6 address'),
	ipaddr: text => !v4.test(text) && !v6(text) && window.__host.base('valid IP address'),
	port: text => !(integer(text) >= 0 && integer(text) <= 65535) && window.__host.base('valid port value'),
	hostname: text => !(text.length <= 253 && /^([A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9])?\.?)+$/.test(text) && /[^0-9.]/.test(text)) && window.__host.base('valid hostname'),
	host: text => types.ipaddr(text) && types.hostname(text) && window.__host.base('valid hostname or IP address'),
	hostport: text => !/^\S+:\d+$/.test(text) && window.__host.base('valid host:port'),
	uciname: text => !/^[A-Za-z0-9_]+$/.test(text) && window.__host.base('valid UCI identifier'),
	min: (text, least) => !(number(text) >= Number(least)) && window.__host.base('value greater or equal to %f').format(Number(least)),
	max: (text, most) => !(number(text) <= Number(most)) && window.__host.base('value smaller or equal to %f').format(Number(most)),
	range: (text, least, most) => !(number(text) >= Number(least) && number(text) <= Number(most)) &&
		window.__host.base('value between %f and %f').format(Number(least), Number(most)),
	minlength: (text, least) => text.length < Number(least) && window.__host.base('value with at least %d characters').format(Number(least)),
	maxlength: (text, most) => text.length > Number(most) && window.__host.base('value with at most %d characters').format(Number(most)),
	rangelength: (text, least, most) => (text.length < least || text.length > most) &&
		window.__host.base('value between %d and %d characters').format(Number(least), Number(most)),
	regex: (text, pattern) => !new RegExp(pattern).test(text) && window.__host.base('valid value'),
	timehhmmss: text => !/^([01]\d|2[0-3]):[0-5]\d:[0-5]\d$/.test(text) && window.__host.base('valid time (HH:MM:SS)'),
	dateyyyymmdd: text => !/^\d{4}-\d\d-\d\d$/.test(text) && window.__host.base('valid date (YYYY-MM-DD)'),
	device: () => null,
	directory: () => null,
	file: () => null,
	or: (text, ...kinds) => {
		const faults = kinds.map(kind => fault(kind, text));
		return faults.every(words => words) && faults.join(', ');
	},
	and: (text, ...kinds) => kinds.map(kind => fault(kind, text)).find(words => words) ?? null,
	not: (text, kind) => !fault(kind, text) && window.__host.base('valid value'),
	list: (text, kind) => text.split(/\s+/).map(one => fault(kind, one)).find(words => words) ?? null
};

function split(list) {
	const parts = [];
	let depth = 0, at = '', quote = false;
	for (const c of list) {
		if (c == '"' || c == '\'')
			quote = !quote;
		else if (!quote && c == ',' && depth == 0) {
			parts.push(at.trim());
			at = '';
			continue;
		}
		else if (!quote && c == '(')
			depth++;
		else if (!quote && c == ')')
			depth--;
		at += c;
	}
	return at.trim() == '' ? parts : parts.concat(at.trim());
}

function fault(kind, text) {
	const found = /^(\w+)(?:\(([\s\S]*)\))?$/.exec(String(kind).trim());
	if (!found || !types[found[1]])
		throw new Error(`datatype ${kind}: not in the stand-in for LuCI`);
	return types[found[1]](text, ...split(found[2] ?? '').map(one => one.replace(/^(["'])(.*)\1$/, '$2'))) || null;
}

return baseclass.extend({
	__name__: 'validation',

	/* What is wrong with a value, or null. */
	fault(value, { datatype, optional, validate }) {
		if (value == null || value === '')
			return optional ? (validate ? validate('') : null) : window.__host.base('non-empty value');

		for (const one of Array.isArray(value) ? value : [ value ]) {
			const words = datatype ? fault(datatype, String(one)) : null;
			if (words)
				return window.__host.base('Expecting: %s').format(words);
		}
		return validate ? validate(value) : null;
	}
});
