// SPDX-License-Identifier: Apache-2.0
'use strict';
'require view';
'require dom';
'require ui';
'require glimpse.graph as graph';
'require glimpse.page as page';
'require glimpse.rpc as glimpse';
'require glimpse.words as words';

/* Every figure over time with one cursor, then the records themselves, and their export. */

const RANGES = [['day', _('24 hours')], ['week', _('7 days')], ['month', _('30 days')], ['year', _('1 year')]];
const STATUSES = ['ok', 'failed', 'aborted', 'skipped', 'refused', 'gap'];

function target(record) {
	const { url, destination_ip: address, queries } = record.probe_result || {};
	return url || address || (queries && queries[0] || {}).server || '';
}

function asker({ own, asked_by: by, instruction_id: instruction }) {
	return own ? _('you') : by && by.name || instruction || '–';
}

function time(record) {
	return words.absolute(record.start_time || record.planned_time || (record.gap || {}).last);
}

function select(label, choices, changed) {
	return E('select', { 'aria-label': label, change: ev => changed(ev.target.value || undefined) },
		choices.map(([value, name]) => E('option', { value }, [name])));
}

/* The whole record; long ones came shortened. */
function open(record) {
	return (record.shortened ? glimpse.results({ id: record.id }).then(answer => answer.results[0]) : Promise.resolve(record)).then(full => {
		ui.showModal([words.method(full.method)], [
			E('p', {}, [time(full) + ' · ' + words.summary(full)]),
			E('pre', { tabindex: 0, style: 'overflow:auto;max-height:50vh' }, [JSON.stringify(full, null, 2)]),
			page.div('right', [page.button(_('Close'), null, ui.hideModal)])
		]);
	}).catch(page.notify);
}

/* All pages of an export, told while they come. */
async function save(format, said) {
	const parts = [];
	let answer = {}, size = 0;

	do {
		answer = await glimpse.export({ format, cursor: answer.next });
		parts.push(answer.text);
		size += answer.text.length;
		dom.content(said, [words.bytes(size)]);
	} while (answer.next);

	page.save(answer.name, parts);
	dom.content(said, [_('%s saved as %s').format(words.bytes(size), answer.name)]);
}

/* The records, newest first, by pages and filters. */
function records(methods) {
	const filter = { limit: 20 }, starts = [];
	const body = E('div'), said = E('span', { role: 'status' });

	const show = () => glimpse.results({ before: starts[starts.length - 1], ...filter }).then(({ results, more }) => {
		const newer = page.button('« ' + _('Newer'), null, () => { starts.pop(); return show(); });
		const older = page.button(_('Older') + ' »', null, () => { starts.push(results[results.length - 1].id); return show(); });

		newer.disabled = !starts.length;
		older.disabled = !more;
		dom.content(body, [
			results.length ? page.table([_('Time'), _('Measurement'), _('Result'), _('Asked by'), _('Traffic'), null], results.map(record => [
				[time(record)],
				[words.method(record.method), E('br'), E('small', {}, [target(record)])],
				record.status == 'ok' ? [words.summary(record)] :
					[words.mark(record.status == 'skipped' ? 'unknown' : 'fair', words.status(record.status)), E('br'), E('small', {}, [words.summary(record)])],
				[asker(record)],
				[words.bytes(record.bytes.sent + record.bytes.received)],
				[page.button(_('Details'), null, () => open(record))]
			])) : E('p', {}, [_('Nothing was measured that fits.')]),
			page.div('gl-actions', [newer, older])
		]);
	}).catch(error => dom.content(body, [page.failure(error)]));

	const choice = (name, label, all, choices) => select(label, [['', all]].concat(choices), value => {
		filter[name] = name == 'own' && value ? value == 'true' : value;
		starts.length = 0;
		return show();
	});

	return show().then(() => [
		page.div('gl-actions', [
			choice('method', _('Measurement'), _('all measurements'), methods.map(({ name }) => [name, words.method(name)])),
			choice('status', _('State'), _('all states'), STATUSES.map(name => [name, words.status(name)])),
			choice('own', _('Asked by'), _('asked by anybody'), [['true', _('your own')], ['false', _('for others')]])
		]),
		body,
		page.div('gl-actions', [
			_('Everything this router has kept:'),
			page.button(_('Save as CSV'), null, () => save('csv', said).catch(page.refused(said))),
			page.button(_('Save as JSON'), null, () => save('json', said).catch(page.refused(said))),
			said
		])
	]);
}

return view.extend({
	handleSaveApply: null,
	handleSave: null,
	handleReset: null,

	render() {
		const failing = E('div'), place = page.div('gl-graphs'), list = E('div');
		const targets = {};
		let range = 'day';

		const graphs = () => {
			const key = JSON.stringify([range, targets]);

			return Promise.all(words.figures.map(name => glimpse.series({ figure: name, range, target: targets[name] }))).then(all => {
				const peers = [];

				if (key == JSON.stringify([range, targets]))
					page.update(place, [key, all.map(series => [series.points, series.contract, series.events])], () => all.map(series => E('section', { id: series.figure }, [
						page.div('gl-head', [E('h4', {}, [words.figure(series.figure)]), chooser(series)]),
						graph.chart(series, { peers })
					])));
			});
		};

		/* After a choice: what fails takes the place of the graphs. */
		const redraw = () => graphs().catch(error => page.update(place, error.message, () => [page.failure(error)]));

		const chooser = ({ figure, targets: names }) => {
			if (!names || names.length < 2)
				return '';

			const node = select(_('Target'), [['', _('all targets')]].concat(names.map(name => [name, name])), value => {
				targets[figure] = value;
				redraw();
			});

			node.value = targets[figure] || '';
			return node;
		};

		const buttons = RANGES.map(([name, label]) => page.button(label, null, () => {
			range = name;
			press();
			return redraw();
		}));
		const press = () => buttons.forEach((button, i) => {
			const isOn = RANGES[i][0] == range;
			button.className = 'btn cbi-button' + (isOn ? ' cbi-button-action important' : '');
			button.setAttribute('aria-pressed', isOn);
		});
		const body = E('div', { hidden: '' }, [
			page.div('gl-actions', buttons),
			E('p', {}, [_('The line is the middle of what was measured, the area around it goes from low to high. Where nothing was measured, nothing is drawn. ▾ marks an event.')]),
			place,
			page.section(_('All results'), [list])
		]);

		press();
		return page.live(failing, graphs, () => {
			if (!body.hidden)
				return;
			body.hidden = false;

			return glimpse.capabilities().catch(() => ({ methods: [] })).then(({ methods }) => records(methods)).then(children => {
				dom.content(list, children);
				requestAnimationFrame(() => {
					const part = document.getElementById(location.hash.slice(1));
					if (part)
						part.scrollIntoView();
				});
			});
		}, 60).then(() => page.frame(_('History'), [failing, body]));
	}
});
