// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';
'require glimpse.page as page';
'require glimpse.words as words';

/*
 * Forms from JSON Schemas: those by which methods announce their options, and those of pages. Beside `type`, `title`,
 * `description`, `default`, `enum`, `minimum`, `maximum`, `maxLength`, `unit` and `writeOnly` they have `words` (names of the
 * values of `enum`), `input` and `pattern` (of the text field), `when` (another field, and its value with which this one is
 * shown) and the type `set` (any of `enum`). The browser checks what is typed, and says in its own words what is wrong.
 */

document.head.appendChild(E('link', { rel: 'stylesheet', href: L.resource('glimpse/tools.css') }));

/* Options that are in sight from the start, beside those that are required; the others are folded away under their technical names. */
const NAMES = {
	host: _('Host'), ip: _('Address'), url: 'URL', type: _('Type'), ping_type: _('Type'), count: _('Packets'), dns_server: _('Name server'),
	transport: _('Transport'), directions: _('Direction'), direction: _('Direction'), upload_url: _('URL for uploads'), threads: _('Connections'),
	multipath: _('All ways'), search: _('Search'), interface: _('Interface'), token: _('Token')
};
const ORDER = Object.keys(NAMES).slice(0, -1);

const CHOICES = {
	any: _('automatic'), auto: _('automatic'), ipv4: 'IPv4', ipv6: 'IPv6', down: _('download'), up: _('upload'), each: _('download, then upload'),
	both: _('both at once'), all: _('all'), gateways: _('routers'), media: _('media servers'), Peer: _('another household')
};

function bounds(s) {
	const unit = s.unit || '';
	const say = unit.startsWith('bytes') ? words.bytes : String;

	return _('%s to %s').format(say(s.minimum), say(s.maximum)) + (/^bytes/.test(unit) ? unit.slice(5) : /^(.s|.*bit.*)$/.test(unit) ? ' ' + unit : '');
}

const tick = (id, on) => E('input', { id, type: 'checkbox', checked: /^(true|1|yes)$/.test(on) ? '' : null });

function control(id, s, required, value) {
	const named = word => (s.words || CHOICES)[word] || word.replace(/^\w{3,5}$/, all => all.toUpperCase()) || '–';

	if (s.type == 'boolean')
		return tick(id, value);
	if (s.type == 'set')
		return E('div', { id, role: 'group' }, s.enum.map(word => E('label', { class: 'gl-box' }, [tick(id + word, value && value.includes(word)), ' ', named(word)])));
	if (s.enum)
		return E('select', { id, class: 'cbi-input-select' }, s.enum.map(word => E('option', { value: word, selected: word == value ? '' : null }, [named(word)])));
	return E('input', { id, class: 'cbi-input-text', type: s.writeOnly ? 'password' : s.input || (s.type == 'string' ? 'text' : 'number'), value,
		required: required ? '' : null, min: s.minimum, max: s.maximum, step: s.type == 'number' ? 'any' : null, maxlength: s.maxLength, pattern: s.pattern, autocomplete: 'off' });
}

function field(name, s, required, given) {
	const id = 'gl-' + name;
	const input = control(id, s, required, given == null ? s.default : given);

	return { name, s, input, row: page.div('cbi-value', [
		E('label', { class: 'cbi-value-title', for: id }, [s.title || name, required ? ' *' : '']),
		page.div('cbi-value-field', [input, page.div('cbi-value-description', [[s.description, s.minimum == null ? '' : bounds(s)].filter(Boolean).join('; ')])])
	]), read: () =>
		s.type == 'boolean' ? input.checked : s.type == 'set' ? s.enum.filter((word, i) => input.querySelectorAll('input')[i].checked) :
		s.type == 'string' || input.value == '' ? input.value.trim() : Number(input.value) };
}

/* The form of a schema, filled with what is given. `read()` gives the values that are not the default, or null where something is wrong. */
function make({ properties, required = [] }, given) {
	const all = Object.keys(properties).map(name => field(name, properties[name], required.includes(name), (given || {})[name]));
	const rows = folded => all.filter(one => !one.s.folded == !folded).map(one => one.row);
	const more = page.details(_('More options'), rows(true));
	const node = E('div', {}, [...rows(false), more.childNodes.length > 1 ? more : '']);
	const depend = () => all.filter(one => one.s.when).forEach(one =>
		one.row.hidden = all.find(other => other.name == one.s.when[0]).read() != one.s.when[1]);

	node.addEventListener('change', depend);
	depend();
	return { node, read: () => {
		const shown = all.filter(one => !one.row.hidden);
		const values = {};

		/* What is folded away cannot be pointed at. */
		if (more.querySelector(':invalid'))
			more.open = true;
		if (!shown.every(one => !one.input.reportValidity || one.input.reportValidity()))
			return null;
		shown.forEach(({ name, s, read }) => {
			const value = read();

			if (value !== '' && value !== s.default)
				values[name] = value;
		});
		return values;
	} };
}

return baseclass.extend({
	make,

	/* The form of a method's options. Their help comes from the agent, in English; the catalogue has all that it knows. */
	options({ options: { properties = {}, required = [] } }, given) {
		const rank = name => required.includes(name) ? -1 : (ORDER.indexOf(name) + 1 || 99);
		const sorted = {};

		Object.keys(properties).sort((a, b) => rank(a) - rank(b)).forEach(name => {
			const of = properties[name];
			sorted[name] = Object.assign({}, of, { title: NAMES[name] || of.title, description: _(of.description || ''), folded: rank(name) == 99 });
		});
		return make({ properties: sorted, required }, given);
	}
});
