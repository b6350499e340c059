/* The numeric core compiled: what arena.py, score.py, featurise.places, pairs.counts, kin.around, what regroup.py
   counts, Recent.take and learn.together say, to the same bit, in a tenth of the time.

   The Python code is the definition and runs where this could not be built; tests/test_kernel.py compares the two.
   So here too: + - * / and comparisons only, sums down the rows in order, double and single precision where numpy
   has them, no fused multiply-add. The G_ constants are those of layout.py, handed over by setup.py. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <float.h>
#include <stdint.h>
#include <string.h>

#if FLT_EVAL_METHOD != 0
#error "this compiler keeps more precision than asked for: the numpy code is used instead"
#endif

enum { MOST_MADE = 1 << 16 }; /* groups that a rule can make of what is looked back upon, and far beyond */
enum { MOST_ROWS = 64 };  /* of one alert: named fields, words and details are bounded below that */

/* -- arrays of numpy, as they lie in memory */

typedef struct {
    Py_buffer view;
    int held;
} Array;

static int borrow(Array *array, PyObject *object, Py_ssize_t item, int dimensions, int writable) {
    int flags = PyBUF_STRIDES | (writable ? PyBUF_WRITABLE : 0); /* what numpy calls the items takes it longest to say */
    if (PyObject_GetBuffer(object, &array->view, flags) < 0) return -1;
    array->held = 1;
    if (array->view.itemsize != item || array->view.ndim != dimensions ||
        array->view.strides[dimensions - 1] != item ||
        (dimensions == 2 && array->view.strides[0] != item * array->view.shape[1])) {
        PyErr_SetString(PyExc_ValueError, "an array of another shape or kind than this core works on");
        return -1;
    }
    return 0;
}

static void give_back(Array *arrays, int count) {
    for (int i = 0; i < count; i++)
        if (arrays[i].held) PyBuffer_Release(&arrays[i].view);
}

/* Rows of an alert must lie in the array they point into. */
static int rows_fit(const Array *rows, Py_ssize_t below) {
    const Py_ssize_t *row = rows->view.buf;
    Py_ssize_t count = rows->view.shape[0];
    if (count > MOST_ROWS) {
        PyErr_SetString(PyExc_ValueError, "more rows than an alert can have");
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++)
        if (row[i] < 0 || row[i] >= below) {
            PyErr_SetString(PyExc_IndexError, "a row beyond the array");
            return -1;
        }
    return 0;
}

/* -- which slots are most like an alert */

/* The rarest features of an alert, the rarest of them up to four times. Returns how many, and of each the weight. */
static int strongest(const float *rare, int count, int strong, int *place, uint8_t *weight) {
    int found = 0;
    for (int i = 0; i < count; i++) { /* of equal ones the first, as in a stable sort */
        int at = found < strong ? found++ : strong;
        while (at > 0 && rare[place[at - 1]] < rare[i]) {
            if (at < strong) place[at] = place[at - 1];
            at--;
        }
        if (at < strong) place[at] = i;
    }
    double unit = found ? (double)rare[place[0]] / 3 : 0.0;
    if (unit == 0.0) unit = 1.0;
    for (int i = 0; i < found; i++) weight[i] = (uint8_t)(1 + (int)((double)rare[place[i]] / unit));
    return found;
}

/* Slots as they stand in a list or a tuple; how many, -1: an error. */
static int read_slots(PyObject *slots, Py_ssize_t *into, int most) {
    const Py_ssize_t count = PySequence_Size(slots);
    if (count > most) PyErr_SetString(PyExc_ValueError, "more slots than there are options");
    if (count < 0 || count > most) return -1;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *number = PySequence_GetItem(slots, i);
        into[i] = number == NULL ? -1 : PyLong_AsSsize_t(number);
        Py_XDECREF(number);
        if (PyErr_Occurred()) return -1;
    }
    return (int)count;
}

static int append(PyObject *list, Py_ssize_t slot) {
    PyObject *number = PyLong_FromSsize_t(slot);
    const int failed = number == NULL || PyList_Append(list, number) < 0;
    Py_XDECREF(number);
    return failed ? -1 : 0;
}

static int among(const Py_ssize_t *slots, int count, Py_ssize_t slot) {
    for (int i = 0; i < count; i++)
        if (slots[i] == slot) return 1;
    return 0;
}

/* fitting(stats, slots, since, until, oldest, full) -> list of slots, as Arena.fitting has it. */
static PyObject *fitting(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs) {
    if (nargs != 6) return PyErr_Format(PyExc_TypeError, "fitting takes 6 arguments, not %zd", nargs);
    double bound[4];
    for (int i = 0; i < 4; i++) bound[i] = PyFloat_AsDouble(args[2 + i]);
    Py_ssize_t slots[G_CANDIDATES];
    const int count = PyErr_Occurred() ? -1 : read_slots(args[1], slots, G_CANDIDATES);
    Array stats = {.held = 0};
    if (count < 0) return NULL;
    if (borrow(&stats, args[0], sizeof(double), 2, 0) < 0) {
        give_back(&stats, 1);
        return NULL;
    }
    const double *stat = stats.view.buf;
    const Py_ssize_t size = stats.view.shape[1];
    PyObject *result = stats.view.shape[0] == G_STATS ? PyList_New(0) : NULL;
    if (result == NULL) PyErr_SetString(PyExc_ValueError, "stats must be (STATS, capacity)");
    for (int i = 0; i < count && result != NULL; i++) {
        if (slots[i] < 0 || slots[i] >= size) {
            PyErr_SetString(PyExc_IndexError, "a slot beyond the arena");
            Py_CLEAR(result);
            break;
        }
        const double last = stat[G_LAST * size + slots[i]], first = stat[G_FIRST * size + slots[i]];
        if (last >= bound[0] && first <= bound[1] && bound[2] <= first && stat[G_COUNT * size + slots[i]] < bound[3] &&
            append(result, slots[i]) < 0)
            Py_CLEAR(result);
    }
    give_back(&stats, 1);
    return result;
}

/* alike(profile, last, since, rows, usual, bits, strong, keep, known) -> list of slots, as Arena.alike has it.

   last may be shorter than a row of the profile: the slots behind it are not looked at. */
static PyObject *alike(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs) {
    if (nargs != 9) return PyErr_Format(PyExc_TypeError, "alike takes 9 arguments, not %zd", nargs);
    Array a[5] = {{.held = 0}};
    PyObject *result = NULL;
    uint8_t *score = NULL;
    double since = PyFloat_AsDouble(args[2]);
    long strong = PyLong_AsLong(args[6]), keep = PyLong_AsLong(args[7]);
    if (PyErr_Occurred()) return NULL;
    if (strong < 1 || strong > MOST_ROWS || keep < 1 || keep > MOST_ROWS) {
        PyErr_SetString(PyExc_ValueError, "strong and keep must be small and positive");
        return NULL;
    }
    Py_ssize_t known[MOST_ROWS];
    const int knows = read_slots(args[8], known, MOST_ROWS);
    if (knows < 0) return NULL;
    if (borrow(&a[0], args[0], 1, 2, 0) < 0 || borrow(&a[1], args[1], sizeof(double), 1, 0) < 0 ||
        borrow(&a[2], args[3], sizeof(Py_ssize_t), 1, 0) < 0 || borrow(&a[3], args[4], sizeof(Py_ssize_t), 1, 0) < 0 ||
        borrow(&a[4], args[5], sizeof(float), 1, 0) < 0 || rows_fit(&a[2], a[0].view.shape[0]) < 0 ||
        rows_fit(&a[3], a[4].view.shape[0]) < 0)
        goto done;
    const Py_ssize_t width = a[0].view.shape[1], size = a[1].view.shape[0];
    int count = (int)a[2].view.shape[0];
    if (size > width || a[3].view.shape[0] != count) {
        PyErr_SetString(PyExc_ValueError, "a time for each slot at most, and one counter per row");
        goto done;
    }
    const Py_ssize_t *row = a[2].view.buf, *usual = a[3].view.buf;
    const float *bits = a[4].view.buf;
    const uint8_t *profile = a[0].view.buf;
    const double *last = a[1].view.buf;
    float rare[MOST_ROWS];
    int place[MOST_ROWS];
    uint8_t weight[MOST_ROWS];
    for (int i = 0; i < count; i++) rare[i] = bits[usual[i]];
    int used = strongest(rare, count, (int)strong, place, weight);
    score = PyMem_Calloc((size_t)size, 1);
    if (score == NULL) {
        PyErr_NoMemory();
        goto done;
    }
    for (int i = 0; i < used; i++) {
        const uint8_t *held = profile + row[place[i]] * width;
        uint8_t add = weight[i];
        for (Py_ssize_t slot = 0; slot < size; slot++) score[slot] += held[slot] ? add : 0;
    }
    /* How many have each score, in four tables: neighbours often score the same, and one table would wait for itself. */
    uint32_t held[4][256] = {{0}};
    for (Py_ssize_t slot = 0; slot < size; slot++) {
        score[slot] = last[slot] >= since ? score[slot] : 0;
        held[slot & 3][score[slot]]++;
    }
    /* All above the edge, and of those on it the lowest slots. */
    int edge = 256;
    Py_ssize_t level = keep, above = 0;
    while (--edge > 0 && (above = (Py_ssize_t)held[0][edge] + held[1][edge] + held[2][edge] + held[3][edge]) < level)
        level -= above;
    result = PyList_New(0);
    if (result == NULL) goto done;
    const uint8_t least = (uint8_t)(edge > 0 ? edge : 1);
    long places = keep - knows;
    for (Py_ssize_t slot = 0; slot < size && places > 0; slot++) {
        if (score[slot] < least || (score[slot] == edge && level-- <= 0) || among(known, knows, slot)) continue;
        places--;
        if (append(result, slot) < 0) {
            Py_CLEAR(result);
            break;
        }
    }
done:
    PyMem_Free(score);
    give_back(a, 5);
    return result;
}

/* -- counting an alert into a slot */

/* add(profile, slot, rows, halve): count one alert's rows into a slot, as Arena.add has it. */
static PyObject *add(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs) {
    if (nargs != 4) return PyErr_Format(PyExc_TypeError, "add takes 4 arguments, not %zd", nargs);
    Array a[2] = {{.held = 0}};
    PyObject *result = NULL;
    Py_ssize_t slot = PyLong_AsSsize_t(args[1]);
    int halve = PyObject_IsTrue(args[3]);
    if (PyErr_Occurred()) return NULL;
    if (borrow(&a[0], args[0], 1, 2, 1) < 0 || borrow(&a[1], args[2], sizeof(Py_ssize_t), 1, 0) < 0 ||
        rows_fit(&a[1], a[0].view.shape[0]) < 0)
        goto done;
    Py_ssize_t size = a[0].view.shape[1], count = a[1].view.shape[0];
    if (slot < 0 || slot >= size) {
        PyErr_SetString(PyExc_IndexError, "a slot beyond the arena");
        goto done;
    }
    uint8_t *column = (uint8_t *)a[0].view.buf + slot, fresh[MOST_ROWS];
    const Py_ssize_t *row = a[1].view.buf;
    if (halve)
        for (Py_ssize_t i = 0; i < a[0].view.shape[0]; i++) column[i * size] >>= 1;
    for (Py_ssize_t i = 0; i < count; i++) fresh[i] = column[row[i] * size] + 1; /* a row that stands twice counts once */
    for (Py_ssize_t i = 0; i < count; i++) column[row[i] * size] = fresh[i];
    column[G_ABSENT * size] = 0;
    result = Py_None;
    Py_INCREF(result);
done:
    give_back(a, 2);
    return result;
}

/* times(stats, slot, last, first, count, limit): write a slot's numbers down, as Arena.describe has it. */
static PyObject *times(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs) {
    if (nargs != 6) return PyErr_Format(PyExc_TypeError, "times takes 6 arguments, not %zd", nargs);
    const Py_ssize_t slot = PyLong_AsSsize_t(args[1]);
    double value[4];
    for (int i = 0; i < 4; i++) value[i] = PyErr_Occurred() ? -1.0 : PyFloat_AsDouble(args[2 + i]);
    if (PyErr_Occurred()) return NULL;
    Array stats = {.held = 0};
    PyObject *result = NULL;
    if (borrow(&stats, args[0], sizeof(double), 2, 1) < 0) goto done;
    const Py_ssize_t size = stats.view.shape[1];
    if (stats.view.shape[0] != G_STATS || slot < 0 || slot >= size) {
        PyErr_SetString(PyExc_IndexError, "a slot beyond the arena");
        goto done;
    }
    double *stat = (double *)stats.view.buf + slot;
    const double length = value[0] - value[1];
    stat[G_LAST * size] = value[0];
    stat[G_FIRST * size] = value[1];
    stat[G_COUNT * size] = value[2];
    stat[G_LENGTH_NOW * size] = length / (length + 600.0);
    stat[G_LIMIT * size] = value[3];
    result = Py_None;
    Py_INCREF(result);
done:
    give_back(&stats, 1);
    return result;
}

/* Which of the slots, by their places in the list, are not 0 in a row. With ``listed``, 1 + the place of each slot of the
   arena or 0, the row is walked in words, most of which are 0; else slot by slot. */
static Py_ssize_t held_in(const uint8_t *row, Py_ssize_t size, const Py_ssize_t *slot, Py_ssize_t count,
                          const Py_ssize_t *listed, Py_ssize_t *held) {
    Py_ssize_t found = 0;
    if (listed == NULL) {
        for (Py_ssize_t i = 0; i < count; i++)
            if (row[slot[i]]) held[found++] = i;
        return found;
    }
    for (Py_ssize_t at = 0; at < size; at += 8) {
        const Py_ssize_t end = size - at < 8 ? size : at + 8;
        uint64_t word = 0;
        memcpy(&word, row + at, (size_t)(end - at));
        if (!word) continue;
        for (Py_ssize_t i = at; i < end; i++)
            if (row[i] && listed[i]) held[found++] = listed[i] - 1;
    }
    return found;
}

/* sparse(profile, slots) -> list of bytes, as Arena.sparse has it. Down the rows, as neighbours in a row lie together. */
static PyObject *sparse(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs) {
    if (nargs != 2) return PyErr_Format(PyExc_TypeError, "sparse takes 2 arguments, not %zd", nargs);
    const Py_ssize_t count = PyList_Check(args[1]) ? PyList_Size(args[1]) : -1;
    if (count < 0) return PyErr_Format(PyExc_TypeError, "slots must be a list");
    Array array = {.held = 0};
    PyObject *result = NULL;
    Py_ssize_t *room = NULL;
    uint8_t **ends = PyMem_Calloc(2 * (size_t)count + 1, sizeof *ends); /* of the rows, and of the counts of each slot */
    if (ends == NULL || borrow(&array, args[0], 1, 2, 0) < 0) goto done;
    const Py_ssize_t rows = array.view.shape[0], size = array.view.shape[1];
    const uint8_t *profile = array.view.buf;
    const int many = count > size / 8;
    room = PyMem_Calloc(3 * (size_t)count + (size_t)size + 1, sizeof *room);
    if (room == NULL) goto done;
    Py_ssize_t *slot = room, *found = slot + count, *held = found + count, *listed = held + count;
    for (Py_ssize_t i = 0; i < count; i++) {
        slot[i] = PyLong_AsSsize_t(PyList_GetItem(args[1], i));
        if (!PyErr_Occurred() && (slot[i] < 0 || slot[i] >= size || rows > 0xFFFF || listed[slot[i]]))
            PyErr_SetString(PyExc_IndexError, "a slot beyond the arena, or twice");
        if (PyErr_Occurred()) goto done;
        listed[slot[i]] = 1 + i;
    }
    if (!many) listed = NULL;
    for (Py_ssize_t row = 0; row < rows; row++) {
        const Py_ssize_t count_here = held_in(profile + row * size, size, slot, count, listed, held);
        for (Py_ssize_t i = 0; i < count_here; i++) found[held[i]]++;
    }
    result = PyList_New(count);
    for (Py_ssize_t i = 0; result != NULL && i < count; i++) {
        PyObject *bytes = PyBytes_FromStringAndSize(NULL, 3 * found[i]);
        if (bytes == NULL || PyList_SetItem(result, i, bytes) < 0) {
            Py_CLEAR(result);
            break;
        }
        ends[2 * i] = (uint8_t *)PyBytes_AsString(bytes);
        ends[2 * i + 1] = ends[2 * i] + 2 * found[i];
    }
    for (Py_ssize_t row = 0; result != NULL && row < rows; row++) {
        const Py_ssize_t count_here = held_in(profile + row * size, size, slot, count, listed, held);
        for (Py_ssize_t i = 0; i < count_here; i++) {
            uint8_t **end = ends + 2 * held[i];
            *end[0]++ = (uint8_t)row;
            *end[0]++ = (uint8_t)(row >> 8);
            *end[1]++ = profile[row * size + slot[held[i]]];
        }
    }
done:
    if (result == NULL && !PyErr_Occurred()) PyErr_NoMemory();
    PyMem_Free(ends);
    PyMem_Free(room);
    give_back(&array, 1);
    return result;
}

/* -- the features of an alert */

static uint32_t crc_table[256];

static void make_crc_table(void) { /* of ISO 3309, as zlib has it */
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t code = byte;
        for (int bit = 0; bit < 8; bit++) code = code & 1 ? 0xEDB88320U ^ code >> 1 : code >> 1;
        crc_table[byte] = code;
    }
}

/* places(out, known, texts): fill (K + 2 T,) places, as featurise.places has it. */
static PyObject *places(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs) {
    if (nargs != 3) return PyErr_Format(PyExc_TypeError, "places takes 3 arguments, not %zd", nargs);
    if (!PyList_Check(args[1]) || !PyList_Check(args[2]))
        return PyErr_Format(PyExc_TypeError, "known and texts must be lists");
    const Py_ssize_t knows = PyList_Size(args[1]), count = PyList_Size(args[2]);
    Array target = {.held = 0};
    PyObject *result = NULL;
    if (borrow(&target, args[0], sizeof(Py_ssize_t), 1, 1) < 0) goto done;
    if (target.view.shape[0] != knows + 2 * count) {
        PyErr_SetString(PyExc_ValueError, "out must be (known + 2 texts,)");
        goto done;
    }
    Py_ssize_t *out = target.view.buf;
    for (Py_ssize_t i = 0; i < knows; i++) {
        out[i] = PyLong_AsSsize_t(PyList_GetItem(args[1], i));
        if (PyErr_Occurred()) goto done;
    }
    Py_ssize_t *row = out + knows, *usual = row + count;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *text = PyList_GetItem(args[2], i);
        Py_ssize_t length = 0;
        const char *bytes = text == Py_None ? NULL : PyUnicode_AsUTF8AndSize(text, &length);
        if (bytes == NULL && text != Py_None) goto done;
        if (length == 0) {
            row[i] = G_ABSENT;
            usual[i] = 0;
            continue;
        }
        uint32_t code = 0xFFFFFFFFU;
        for (Py_ssize_t at = 0; at < length; at++) code = crc_table[(code ^ (uint8_t)bytes[at]) & 0xFF] ^ code >> 8;
        code = ~code;
        const uint32_t rows = G_PROFILE_ROWS - G_HASHED, counters = (1U << G_USUAL_BITS) - 1;
        row[i] = G_HASHED + code % rows;
        usual[i] = 1 + code / rows % counters;
    }
    result = Py_None;
    Py_INCREF(result);
done:
    give_back(&target, 1);
    return result;
}

/* -- what stands together */

enum { MOST_REACHES = 64 };

/* counts(n, far, line, running, place, order, reaches, use): fill n and far (S, P), as pairs.counts has it.

   use (3, S): which of the reaches ends what is close, and begins and ends the background. Probes are walked in the order
   of their times, so that the first alert within a reach only ever moves on. */
static PyObject *counts(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs) {
    if (nargs != 8) return PyErr_Format(PyExc_TypeError, "counts takes 8 arguments, not %zd", nargs);
    Array a[8] = {{.held = 0}};
    PyObject *result = NULL;
    for (int i = 0; i < 8; i++) {
        const int places = i == 4 || i == 5 || i == 7;
        if (borrow(&a[i], args[i], places ? sizeof(Py_ssize_t) : sizeof(double), i < 2 || i == 7 ? 2 : 1, i < 2) < 0)
            goto done;
    }
    const Py_ssize_t size = a[2].view.shape[0], count = a[4].view.shape[0], reaches = a[6].view.shape[0];
    const Py_ssize_t scales = a[7].view.shape[1], *place = a[4].view.buf, *order = a[5].view.buf, *use = a[7].view.buf;
    int fits = a[3].view.shape[0] == size + 1 && a[5].view.shape[0] == count && a[7].view.shape[0] == 3 &&
               reaches <= MOST_REACHES;
    for (int i = 0; i < 2; i++) fits = fits && a[i].view.shape[0] == scales && a[i].view.shape[1] == count;
    for (Py_ssize_t i = 0; fits && i < count; i++)
        fits = place[i] >= 0 && place[i] < size && order[i] >= 0 && order[i] < count;
    for (Py_ssize_t i = 0; fits && i < 3 * scales; i++) fits = use[i] >= 0 && use[i] < reaches;
    if (!fits) {
        PyErr_SetString(PyExc_ValueError, "probes, reaches and times that do not fit together");
        goto done;
    }
    double *n = a[0].view.buf, *far = a[1].view.buf, since[MOST_REACHES];
    const double *line = a[2].view.buf, *running = a[3].view.buf, *reach = a[6].view.buf;
    Py_ssize_t first[MOST_REACHES] = {0};
    for (Py_ssize_t i = 0; i < count; i++) {
        const Py_ssize_t probe = order[i], own = place[probe];
        for (Py_ssize_t r = 0; r < reaches; r++) {
            const double wanted = line[own] - reach[r];
            Py_ssize_t at = first[r];
            while (at < size && line[at] < wanted) at++;
            first[r] = at;
            since[r] = running[at];
        }
        for (Py_ssize_t s = 0; s < scales; s++) {
            n[s * count + probe] = running[own] - since[use[s]];
            far[s * count + probe] = since[use[scales + s]] - since[use[2 * scales + s]];
        }
    }
    result = Py_None;
    Py_INCREF(result);
done:
    give_back(a, 8);
    return result;
}

/* around(near, far, line, at, lags, reach): fill near and far (P,), as kin.around has it; line and at ascending. */
static PyObject *around(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs) {
    if (nargs != 6) return PyErr_Format(PyExc_TypeError, "around takes 6 arguments, not %zd", nargs);
    const double reach = PyFloat_AsDouble(args[5]);
    if (PyErr_Occurred()) return NULL;
    Array a[5] = {{.held = 0}};
    PyObject *result = NULL;
    for (int i = 0; i < 5; i++)
        if (borrow(&a[i], args[i], sizeof(double), 1, i < 2) < 0) goto done;
    const Py_ssize_t size = a[2].view.shape[0], count = a[3].view.shape[0], lags = a[4].view.shape[0];
    if (a[0].view.shape[0] != count || a[1].view.shape[0] != count || lags < 2) {
        PyErr_SetString(PyExc_ValueError, "a near and a far one for each time, and two lags or more");
        goto done;
    }
    double *near = a[0].view.buf, *far = a[1].view.buf;
    const double *line = a[2].view.buf, *at = a[3].view.buf, *lag = a[4].view.buf;
    for (Py_ssize_t i = 0; i < count; i++) far[i] = 0.0;
    for (Py_ssize_t k = 0; k < lags; k++) {
        const double from = lag[k] - reach, to = lag[k] + reach;
        for (Py_ssize_t i = 0, place = 0; i < count; i++) {
            while (place < size && line[place] < at[i] + from) place++;
            const int there = place < size && line[place] <= at[i] + to;
            if (k) far[i] += there;
            else near[i] = there;
        }
    }
    for (Py_ssize_t i = 0; i < count; i++) far[i] /= (double)(lags - 1);
    result = Py_None;
    Py_INCREF(result);
done:
    give_back(a, 5);
    return result;
}

/* paced(out, at, key, pace, low, high): fill out (N,) with groups, as regroup.paced has it; keys (N,) below N + 1, 0 = none. */
static PyObject *paced(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs) {
    if (nargs != 6) return PyErr_Format(PyExc_TypeError, "paced takes 6 arguments, not %zd", nargs);
    double limit[3];
    for (int i = 0; i < 3; i++) limit[i] = PyErr_Occurred() ? -1.0 : PyFloat_AsDouble(args[3 + i]);
    if (PyErr_Occurred()) return NULL;
    typedef struct {
        double first, last;
        int64_t count, group;
    } Group;
    Array a[3] = {{.held = 0}};
    Group *groups = NULL;
    PyObject *result = NULL;
    for (int i = 0; i < 3; i++)
        if (borrow(&a[i], args[i], sizeof(int64_t), 1, i == 0) < 0) goto done;
    const Py_ssize_t size = a[1].view.shape[0];
    int64_t *out = a[0].view.buf, made = 0;
    const double *at = a[1].view.buf;
    const int64_t *key = a[2].view.buf;
    int fits = a[0].view.shape[0] == size && a[2].view.shape[0] == size;
    for (Py_ssize_t i = 0; fits && i < size; i++) fits = key[i] >= 0 && key[i] <= size;
    if (!fits) {
        PyErr_SetString(PyExc_ValueError, "a group and a small key for each time");
        goto done;
    }
    groups = PyMem_Calloc((size_t)size + 1, sizeof *groups);
    if (groups == NULL) {
        PyErr_NoMemory();
        goto done;
    }
    for (Py_ssize_t i = 0; i < size; i++) {
        Group *one = &groups[key[i]];
        double silence = limit[1];
        if (one->count >= 3) {
            silence = limit[0] * (one->last - one->first) / (double)(one->count - 1);
            silence = silence < limit[1] ? limit[1] : silence > limit[2] ? limit[2] : silence;
        }
        if (key[i] && one->count && at[i] - one->last <= silence) {
            if (at[i] > one->last) one->last = at[i];
            one->count++;
        } else {
            *one = (Group){at[i], at[i], 1, ++made};
        }
        out[i] = one->group;
    }
    result = Py_None;
    Py_INCREF(result);
done:
    PyMem_Free(groups);
    give_back(a, 3);
    return result;
}

/* jaccards(best, made, groups): fill best (G,) as regroup.jaccards has it; made and groups (N,), groups below G. */
static PyObject *jaccards(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs) {
    if (nargs != 3) return PyErr_Format(PyExc_TypeError, "jaccards takes 3 arguments, not %zd", nargs);
    Array a[3] = {{.held = 0}};
    int64_t *sizes = NULL;
    PyObject *result = NULL;
    for (int i = 0; i < 3; i++)
        if (borrow(&a[i], args[i], sizeof(int64_t), 1, i == 0) < 0) goto done;
    double *best = a[0].view.buf;
    const int64_t *made = a[1].view.buf, *group = a[2].view.buf;
    const Py_ssize_t groups = a[0].view.shape[0], count = a[1].view.shape[0];
    int fits = a[2].view.shape[0] == count;
    int64_t width = 0;
    for (Py_ssize_t i = 0; fits && i < count; i++) {
        fits = group[i] >= 0 && group[i] < groups && made[i] >= 0 && made[i] <= MOST_MADE;
        if (made[i] >= width) width = made[i] + 1;
    }
    if (!fits) {
        PyErr_SetString(PyExc_ValueError, "a small number of what was made and a group for each alert");
        goto done;
    }
    /* Of each made one its alerts, and those of the group at hand; where each group starts; the alerts by group. */
    sizes = PyMem_Calloc((size_t)(2 * width + groups + 1 + count), sizeof *sizes);
    if (sizes == NULL) {
        PyErr_NoMemory();
        goto done;
    }
    int64_t *both = sizes + width, *end = both + width, *order = end + groups + 1;
    for (Py_ssize_t i = 0; i < count; i++) {
        sizes[made[i]]++;
        end[group[i] + 1]++;
    }
    for (Py_ssize_t g = 0; g < groups; g++) end[g + 1] += end[g];
    for (Py_ssize_t i = count; i-- > 0;) order[--end[group[i] + 1]] = made[i];
    for (Py_ssize_t g = 0; g < groups; g++) {
        const int64_t from = end[g + 1], to = g + 1 < groups ? end[g + 2] : count;
        best[g] = 0.0;
        for (int64_t i = from; i < to; i++) both[order[i]]++;
        for (int64_t i = from; i < to; i++) {
            const int64_t shared = both[order[i]];
            const double index = (double)shared / (double)(to - from + sizes[order[i]] - shared);
            if (index > best[g]) best[g] = index;
        }
        for (int64_t i = from; i < to; i++) both[order[i]] = 0;
    }
    result = Py_None;
    Py_INCREF(result);
done:
    PyMem_Free(sizes);
    give_back(a, 3);
    return result;
}

/* -- what is known of each option */

typedef struct { /* score.Evidence, in its order */
    double at, pace, storm;
    int late, turn, candidates, count, details;
    Py_ssize_t slots[G_CANDIDATES];
    double together[G_CANDIDATES];
    double told[G_CANDIDATES];
    Array stats, profile, rows, usual, bits;
} Evidence;

static double number(PyObject *tuple, Py_ssize_t place) {
    PyObject *object = PyTuple_GetItem(tuple, place);
    return object == NULL ? -1.0 : PyFloat_AsDouble(object);
}

static int numbers(PyObject *tuple, Py_ssize_t place, double *into, int expected) {
    PyObject *list = PyTuple_GetItem(tuple, place);
    if (list == NULL) return -1;
    if (list == Py_None) {
        memset(into, 0, sizeof(double) * G_CANDIDATES);
        return 0;
    }
    Py_ssize_t count = PyList_Size(list);
    if (count < 0) return -1;
    if (count > G_CANDIDATES || (expected >= 0 && count != expected)) {
        PyErr_SetString(PyExc_ValueError, "one number per candidate");
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        into[i] = PyFloat_AsDouble(PyList_GetItem(list, i));
        if (into[i] == -1.0 && PyErr_Occurred()) return -1;
    }
    return (int)count;
}

static int read_evidence(Evidence *seen, PyObject *tuple) {
    double slots[G_CANDIDATES];
    seen->at = number(tuple, 0);
    seen->late = number(tuple, 1) != 0.0;
    seen->pace = number(tuple, 2);
    seen->storm = number(tuple, 3);
    seen->turn = (int)number(tuple, 4);
    seen->candidates = numbers(tuple, 5, slots, -1);
    seen->details = (int)number(tuple, 11);
    if (PyErr_Occurred() || seen->candidates < 0) return -1;
    if (borrow(&seen->stats, PyTuple_GetItem(tuple, 6), sizeof(double), 2, 0) < 0 ||
        borrow(&seen->profile, PyTuple_GetItem(tuple, 7), 1, 2, 0) < 0 ||
        borrow(&seen->rows, PyTuple_GetItem(tuple, 8), sizeof(Py_ssize_t), 1, 0) < 0 ||
        borrow(&seen->usual, PyTuple_GetItem(tuple, 9), sizeof(Py_ssize_t), 1, 0) < 0 ||
        borrow(&seen->bits, PyTuple_GetItem(tuple, 10), sizeof(float), 1, 0) < 0 ||
        rows_fit(&seen->rows, seen->profile.view.shape[0]) < 0 || rows_fit(&seen->usual, seen->bits.view.shape[0]) < 0 ||
        numbers(tuple, 12, seen->together, seen->candidates) < 0 || numbers(tuple, 13, seen->told, seen->candidates) < 0)
        return -1;
    seen->count = (int)seen->usual.view.shape[0];
    Py_ssize_t size = seen->profile.view.shape[1];
    int fits = seen->rows.view.shape[0] == G_VALUES + seen->count && seen->stats.view.shape[0] == G_STATS &&
               seen->stats.view.shape[1] == size && seen->turn < seen->candidates && seen->details > G_WORDS &&
               seen->details < G_VALUES + seen->count;
    for (int i = 0; i < seen->candidates; i++) {
        seen->slots[i] = (Py_ssize_t)slots[i];
        fits = fits && seen->slots[i] >= 0 && seen->slots[i] < size;
    }
    if (!fits) PyErr_SetString(PyExc_ValueError, "evidence that does not fit together");
    return fits ? 0 : -1;
}

/* One candidate's column. Returns its RARE. */
static double describe(const Evidence *seen, const float *rare, const double *totals, int place, float *out) {
    const double *stats = seen->stats.view.buf;
    const Py_ssize_t size = seen->profile.view.shape[1], slot = seen->slots[place], *row = seen->rows.view.buf;
    const uint8_t *profile = seen->profile.view.buf;
    double shares[MOST_ROWS], means[3];
#define STAT(name) stats[(name) * size + slot]
#define PUT(name, value) out[(name) * G_COLUMNS] = (float)(value)
    for (int i = 0; i < G_VALUES + seen->count; i++) shares[i] = profile[row[i] * size + slot] * STAT(G_SHARE);
    double silence = seen->at - STAT(G_LAST), before = STAT(G_FIRST) - seen->at;
    if (seen->late) {
        if (silence < 0.0) silence = 0.0;
        if (silence < before) silence = before;
    }
    double in_time = STAT(G_LIMIT) / (STAT(G_LIMIT) + silence), minute = 60.0 / (60.0 + silence);
    PUT(G_JOIN, 1.0);
    PUT(G_IN_TIME, in_time);
    PUT(G_FRESH_PACE, seen->pace / (seen->pace + silence));
    PUT(G_FRESH_MINUTE, minute);
    PUT(G_FRESH_HOUR, 3600.0 / (3600.0 + silence));
    PUT(G_SIZE, STAT(G_COUNT) / (STAT(G_COUNT) + 8.0));
    PUT(G_LENGTH, STAT(G_LENGTH_NOW));
    double match[G_VALUES];
    for (int i = 0; i < G_VALUES; i++) {
        match[i] = shares[G_VALUES + i] + shares[G_VALUES + i] - shares[i];
        PUT(G_MATCH + i, match[i]);
    }
    const int ends[3] = {G_WORDS - G_VALUES, seen->details - G_VALUES, seen->count};
    double most = 0.0;
    for (int part = 0, i = 0; part < 3; part++) {
        double sum = 0.0;
        for (; i < ends[part]; i++) {
            double shared = shares[G_VALUES + i] * (double)rare[i];
            sum += shared;
            if (shared > most) most = shared;
        }
        means[part] = sum / totals[part];
        PUT(G_SAME + part, means[part]);
    }
    PUT(G_RARE, most);
    PUT(G_TOGETHER, seen->together[place]);
    const double crossed[5] = {match[G_VALUES - 3], match[G_VALUES - 2], match[G_VALUES - 1], means[0], means[1]};
    for (int i = 0; i < 5; i++) PUT(G_CROSS + i, crossed[i] * minute);
    if (place == seen->turn) {
        PUT(G_TURN, 1.0);
        PUT(G_RULED, in_time);
    }
    PUT(G_TOLD, seen->told[place]);
    return most;
}

/* pair_features(out, evidence): fill (FEATURES, COLUMNS), as score.pair_features has it. */
static PyObject *pair_features(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs) {
    if (nargs != 2) return PyErr_Format(PyExc_TypeError, "pair_features takes 2 arguments, not %zd", nargs);
    Array target = {.held = 0};
    Evidence seen;
    memset(&seen, 0, sizeof seen);
    PyObject *result = NULL;
    if (borrow(&target, args[0], sizeof(float), 2, 1) < 0 || read_evidence(&seen, args[1]) < 0) goto done;
    if (target.view.shape[0] != G_FEATURES || target.view.shape[1] != G_COLUMNS) {
        PyErr_SetString(PyExc_ValueError, "out must be (FEATURES, COLUMNS)");
        goto done;
    }
    float *out = target.view.buf, rare[MOST_ROWS];
    const float *bits = seen.bits.view.buf;
    const Py_ssize_t *usual = seen.usual.view.buf;
    memset(out, 0, sizeof(float) * G_FEATURES * G_COLUMNS);
    for (int i = 0; i < seen.count; i++) rare[i] = bits[usual[i]];
    const int ends[3] = {G_WORDS - G_VALUES, seen.details - G_VALUES, seen.count};
    double totals[3];
    for (int part = 0, i = 0; part < 3; part++) {
        double sum = 0.0;
        for (; i < ends[part]; i++) sum += (double)rare[i];
        totals[part] = sum == 0.0 ? 1.0 : (double)(float)sum;
    }
    double best = 0.0, second = 0.0;
    for (int i = 0; i < seen.candidates; i++) {
        double most = describe(&seen, rare, totals, i, out + 1 + i);
        if (i == 0 || most > best) {
            second = best;
            best = most;
        } else if (i == 1 || most > second) {
            second = most;
        }
    }
    PUT(G_OPEN, 1.0);
    PUT(G_BEST, seen.candidates ? best : 0.0);
    PUT(G_MARGIN, seen.candidates > 1 ? best - second : 0.0);
    PUT(G_NEW_TITLE, rare[G_TITLE - G_VALUES]);
    PUT(G_NEW_HOST, rare[G_TITLE - 1 - G_VALUES]);
    PUT(G_STORM, seen.storm);
    result = Py_None;
    Py_INCREF(result);
done:
    give_back(&seen.stats, 1);
    give_back(&seen.profile, 1);
    give_back(&seen.rows, 1);
    give_back(&seen.usual, 1);
    give_back(&seen.bits, 1);
    give_back(&target, 1);
    return result;
}

/* linear_score(out, weights, features): out (COLUMNS,), weights (FEATURES, 1), features (FEATURES, COLUMNS). */
static PyObject *linear_score(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs) {
    if (nargs != 3) return PyErr_Format(PyExc_TypeError, "linear_score takes 3 arguments, not %zd", nargs);
    Array a[3] = {{.held = 0}};
    PyObject *result = NULL;
    if (borrow(&a[0], args[0], sizeof(float), 1, 1) < 0 || borrow(&a[1], args[1], sizeof(float), 2, 0) < 0 ||
        borrow(&a[2], args[2], sizeof(float), 2, 0) < 0)
        goto done;
    if (a[0].view.shape[0] != G_COLUMNS || a[1].view.shape[0] != G_FEATURES || a[1].view.shape[1] != 1 ||
        a[2].view.shape[0] != G_FEATURES || a[2].view.shape[1] != G_COLUMNS) {
        PyErr_SetString(PyExc_ValueError, "weights (FEATURES, 1) on features (FEATURES, COLUMNS)");
        goto done;
    }
    float *out = a[0].view.buf;
    const float *weight = a[1].view.buf, *feature = a[2].view.buf;
    for (int column = 0; column < G_COLUMNS; column++) out[column] = weight[0] * feature[column];
    for (int row = 1; row < G_FEATURES; row++)
        for (int column = 0; column < G_COLUMNS; column++)
            out[column] += weight[row] * feature[row * G_COLUMNS + column];
    result = Py_None;
    Py_INCREF(result);
done:
    give_back(a, 3);
    return result;
}

/* -- the last alerts in short */

/* take(times, columns, count, at, rows, codes, same, full, neighbours, repeats) -> whether an alert was taken in, as
   Recent.take has it, after ``count`` others; times (SIZE,), columns (SIZE, ROWS).

   rows: field -> its row; codes: list of (field, code). Of a field without a row nothing is written if ``full``; else
   nothing at all, and the answer is None: it needs one first. */
static PyObject *take(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs) {
    if (nargs != 10) return PyErr_Format(PyExc_TypeError, "take takes 10 arguments, not %zd", nargs);
    if (!PyDict_Check(args[4]) || !PyList_Check(args[5]))
        return PyErr_Format(PyExc_TypeError, "rows must be a dict and codes a list");
    const Py_ssize_t count = PyLong_AsSsize_t(args[2]);
    const double at = PyErr_Occurred() ? 0.0 : PyFloat_AsDouble(args[3]);
    const unsigned long same = PyErr_Occurred() ? 0 : PyLong_AsUnsignedLong(args[6]);
    const int full = PyErr_Occurred() ? 0 : PyObject_IsTrue(args[7]);
    const Py_ssize_t neighbours = PyErr_Occurred() ? 0 : PyLong_AsSsize_t(args[8]);
    const Py_ssize_t repeats = PyErr_Occurred() ? 0 : PyLong_AsSsize_t(args[9]);
    if (PyErr_Occurred()) return NULL;
    Array target[2] = {{.held = 0}};
    PyObject *result = NULL;
    if (borrow(&target[0], args[0], sizeof(double), 1, 1) < 0) goto done;
    if (borrow(&target[1], args[1], sizeof(uint32_t), 2, 1) < 0) goto done;
    const Py_ssize_t size = target[1].view.shape[0], wide = target[1].view.shape[1];
    if (count < 0 || neighbours < 0 || neighbours > size || target[0].view.shape[0] != size || wide < 1 ||
        wide > MOST_ROWS) {
        PyErr_SetString(PyExc_ValueError, "columns for other times");
        goto done;
    }
    if (same > UINT32_MAX) {
        PyErr_SetString(PyExc_IndexError, "a code beyond the columns");
        goto done;
    }
    uint32_t *columns = target[1].view.buf, column[MOST_ROWS] = {0};
    Py_ssize_t seen = 0;
    for (Py_ssize_t i = count < neighbours ? 0 : count - neighbours; i < count; i++)
        seen += columns[i % size * wide + wide - 1] == same;
    if (seen >= repeats) {
        result = Py_False;
        goto done;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(args[5]); i++) {
        PyObject *pair = PyList_GET_ITEM(args[5], i);
        if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2) {
            PyErr_SetString(PyExc_TypeError, "codes must be pairs");
            goto done;
        }
        PyObject *found = PyDict_GetItemWithError(args[4], PyTuple_GET_ITEM(pair, 0));
        if (found == NULL && !PyErr_Occurred() && full) continue;
        if (found == NULL) {
            result = PyErr_Occurred() ? NULL : Py_None;
            goto done;
        }
        const Py_ssize_t row = PyLong_AsSsize_t(found);
        const unsigned long code = PyErr_Occurred() ? 0 : PyLong_AsUnsignedLong(PyTuple_GET_ITEM(pair, 1));
        if (PyErr_Occurred()) goto done;
        if (row < 0 || row >= wide - 1 || code > UINT32_MAX) {
            PyErr_SetString(PyExc_IndexError, "a row or a code beyond the columns");
            goto done;
        }
        column[row] = (uint32_t)code;
    }
    column[wide - 1] = (uint32_t)same;
    memcpy(columns + count % size * wide, column, (size_t)wide * sizeof(uint32_t));
    ((double *)target[0].view.buf)[count % size] = at;
    result = Py_True;
done:
    Py_XINCREF(result);
    give_back(target, 2);
    return result;
}

/* -- where a title may vary */

static uint8_t cuts[128]; /* template._CUT: never inside a chunk */

static void make_cuts(void) {
    for (const char *at = "\t\n\v\f\r\x1c\x1d\x1e\x1f \"'`<>()[]{};=|#!?&*^"; *at; at++) cuts[(uint8_t)*at] = 1;
}

static int of_word(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

/* Whether a chunk holds a digit, a slash, a backslash or an at-sign, or dots before a word, whichever comes first. */
static int varies(const char *at, const char *end) {
    while (at < end && *at != '/' && *at != '@' && *at != '\\' && *at != '.' && !(*at >= '0' && *at <= '9')) at++;
    if (at == end || *at != '.') return at < end;
    while (at < end && *at == '.') at++;
    return at < end && (of_word(*at) || *at == '/');
}

/* chunks(title) -> start and end of each that may vary, or None: only the pattern can tell; as template.mask needs it. */
static PyObject *chunks(PyObject *Py_UNUSED(module), PyObject *title) {
    if (!PyUnicode_Check(title)) return PyErr_Format(PyExc_TypeError, "the title must be a str");
    if (!PyUnicode_IS_COMPACT_ASCII(title)) Py_RETURN_NONE;
    Py_ssize_t length;
    const char *text = PyUnicode_AsUTF8AndSize(title, &length);
    if (text == NULL) return NULL;
    PyObject *found = PyList_New(0);
    for (Py_ssize_t at = 0; found != NULL && at < length; at++) {
        const Py_ssize_t start = at;
        int address = 0;
        for (; at < length && !cuts[(uint8_t)text[at]]; at++)
            address |= text[at] == ':' && at + 2 < length && text[at + 1] == '/' && text[at + 2] == '/';
        if (address || (at < length && (text[at] == '<' || text[at] == '?'))) { /* a URL, a query, a mask */
            Py_DECREF(found);
            Py_RETURN_NONE;
        }
        if (varies(text + start, text + at) && (append(found, start) < 0 || append(found, at) < 0)) Py_CLEAR(found);
    }
    return found;
}

/* -- how often two kinds stand next to each other */

/* counts[0][key] + counts[1][key] / 2, what is missing counting as 0; -1: an error. */
static long long decayed(PyObject *const *counts, PyObject *key) {
    long long sum = 0;
    for (int before = 0; before < 2; before++) {
        PyObject *found = PyDict_GetItemWithError(counts[before], key);
        long long count = found == NULL ? 0 : PyLong_AsLongLong(found);
        if (PyErr_Occurred()) return -1;
        sum += before ? count >> 1 : count;
    }
    return sum;
}

/* together(pairs now, pairs before, kinds now, kinds before, kind, kinds) -> shares, as learn.together has it. */
static PyObject *together(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs) {
    if (nargs != 6) return PyErr_Format(PyExc_TypeError, "together takes 6 arguments, not %zd", nargs);
    for (int i = 0; i < 6; i++)
        if (i == 4 ? !PyLong_Check(args[i]) : i == 5 ? !PyList_Check(args[i]) : !PyDict_Check(args[i]))
            return PyErr_Format(PyExc_TypeError, "argument %d of together is of another type", i + 1);
    const long long own = decayed(args + 2, args[4]);
    if (own < 0) return NULL;
    const Py_ssize_t count = PyList_Size(args[5]);
    PyObject *shares = PyList_New(count);
    for (Py_ssize_t i = 0; shares != NULL && i < count; i++) {
        PyObject *other = PyList_GetItem(args[5], i), *pair = PyNumber_Multiply(args[4], other);
        const long long both = pair == NULL ? -1 : decayed(args, pair);
        const long long theirs = both > 0 ? decayed(args + 2, other) : 0;
        Py_XDECREF(pair);
        PyObject *share = NULL;
        if (both >= 0 && theirs >= 0)
            share = PyFloat_FromDouble(both ? (double)both / (4.0 + (double)(own < theirs ? own : theirs)) : 0.0);
        if (share == NULL || PyList_SetItem(shares, i, share) < 0) Py_CLEAR(shares);
    }
    return shares;
}

static PyMethodDef methods[] = {
    {"alike", (PyCFunction)(void (*)(void))alike, METH_FASTCALL, NULL},
    {"fitting", (PyCFunction)(void (*)(void))fitting, METH_FASTCALL, NULL},
    {"add", (PyCFunction)(void (*)(void))add, METH_FASTCALL, NULL},
    {"times", (PyCFunction)(void (*)(void))times, METH_FASTCALL, NULL},
    {"sparse", (PyCFunction)(void (*)(void))sparse, METH_FASTCALL, NULL},
    {"take", (PyCFunction)(void (*)(void))take, METH_FASTCALL, NULL},
    {"chunks", chunks, METH_O, NULL},
    {"places", (PyCFunction)(void (*)(void))places, METH_FASTCALL, NULL},
    {"jaccards", (PyCFunction)(void (*)(void))jaccards, METH_FASTCALL, NULL},
    {"paced", (PyCFunction)(void (*)(void))paced, METH_FASTCALL, NULL},
    {"around", (PyCFunction)(void (*)(void))around, METH_FASTCALL, NULL},
    {"counts", (PyCFunction)(void (*)(void))counts, METH_FASTCALL, NULL},
    {"pair_features", (PyCFunction)(void (*)(void))pair_features, METH_FASTCALL, NULL},
    {"linear_score", (PyCFunction)(void (*)(void))linear_score, METH_FASTCALL, NULL},
    {"together", (PyCFunction)(void (*)(void))together, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "_kernel", .m_doc = "The numeric core, compiled.", .m_size = 0, .m_methods = methods,
};

PyMODINIT_FUNC PyInit__kernel(void) {
    make_crc_table();
    make_cuts();
    PyObject *module = PyModule_Create(&definition);
    if (module != NULL && PyModule_AddIntConstant(module, "LAYOUT", G_CODE) < 0) Py_CLEAR(module);
    return module;
}
