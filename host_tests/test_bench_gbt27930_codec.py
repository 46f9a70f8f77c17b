"""The bench's codec against the examples of the facts and against every frame of a real session."""

import os
from pathlib import Path

import pytest

from hw_tests.bench.frame import Frame
from hw_tests.bench.gbt27930 import codec, messages
from hw_tests.bench.gbt27930.recording import read_zlg
from hw_tests.bench.gbt27930.transport import Listener

RECORDING = Path(__file__).resolve().parents[2] / "shared" / "data" / "gbt27930_session_zlg.csv"
RECORDING = Path(os.environ.get("SLUICE_DATA", RECORDING.parent)) / RECORDING.name

# Facts 1.2: name, id.
IDS = {
    "CHM": 0x1826F456, "BHM": 0x182756F4, "CRM": 0x1801F456, "CTS": 0x1807F456, "CML": 0x1808F456, "BRO": 0x100956F4,
    "CRO": 0x100AF456, "BCL": 0x181056F4, "CCS": 0x1812F456, "BSM": 0x181356F4, "BST": 0x101956F4, "CST": 0x101AF456,
    "BSD": 0x181C56F4, "CSD": 0x181DF456, "BEM": 0x081E56F4, "CEM": 0x081FF456, "BRM": 0x1C0256F4, "BCP": 0x1C0656F4,
    "BCS": 0x1C1156F4, "BMV": 0x1C1556F4, "BMT": 0x1C1656F4, "BSP": 0x1C1756F4, "CDC": 0x1828F456, "BCPP": 0x183056F4,
    "CMLP": 0x1831F456, "CCD": 0x1832F456, "CSDP": 0x1833F456, "BCSP": 0x1C3456F4, "BCLP": 0x181056F4,
}  # fmt: skip


def frame(name: str, data: str) -> Frame:
    return Frame(IDS[name], True, bytes.fromhex(data))


@pytest.mark.parametrize("name", IDS)
def test_ids_are_those_of_the_table(name):
    assert messages.BY_NAME[name].id == IDS[name]


# Facts 1.4 and 1.8a: the examples, name, bytes, what they say in the house's words.
EXAMPLES = [
    ("CHM", "01 01 00", {"version_minor": 1, "version_major": 1}),
    ("CHM", "00 01 00", {"version_minor": 0, "version_major": 1}),
    ("BHM", "A5 10", {"voltage_max_dV": 4261}),
    ("CRM", "AA 01 FF FF FF FF FF FF", {"result": 0xAA, "charger_number": 0xFFFFFF01, "area_code": ""}),
    ("CTS", "36 24 08 16 05 15 20",
     {"second": 36, "minute": 24, "hour": 8, "day": 16, "month": 5, "year": 2015}),
    ("CTS", "FF FF FF FF FF FF FF", {"second": None, "year": None}),
    ("CML", "58 1B D0 07 DC 05 A0 0F",
     {"voltage_max_dV": 7000, "voltage_min_dV": 2000, "current_max_dA": 2500, "current_min_dA": 0}),
    ("BRO", "AA", {"ready": 0xAA}),
    ("CRO", "00", {"ready": 0}),
    ("BCL", "52 17 D8 0E 02", {"voltage_dV": 5970, "current_dA": 200, "mode": 2}),
    ("BCLP", "52 17 68 10 03", {"voltage_dV": 5970, "current_dA": -200, "mode": 3}),
    ("CCS", "2A 00 A0 0F 00 00 FD FF", {"voltage_dV": 42, "current_dA": 0, "elapsed_min": 0, "permission": 1}),
    ("CCS", "2A 00 A0 0F 00 00 FC", {"permission": 0}),
    ("CCS", "2A 00 68 10 03 00 01", {"permission": 1, "current_dA": -200, "elapsed_min": 3}),
    ("CCS", "2A 00 A0 0F 00 00", {"voltage_dV": 42}),
    ("BSM", "42 4B 01 4A 1B 00 D0",
     {"cell_voltage_max_number": 67, "temperature_max_dC": 250, "temperature_max_number": 2,
      "temperature_min_dC": 240, "temperature_min_number": 28, "cell_voltage": 0, "soc": 0, "over_current": 0,
      "over_temperature": 0, "insulation": 0, "connector": 0, "permission": 1}),
    ("BSM", "42 4B 01 4A 1B 00 10", {"insulation": 0, "connector": 0, "permission": 1}),
    ("BSM", "42 4B 01 4A 1B 00 E0", {"permission": 2}),
    ("BST", "40 00 00 00", {"charger_stopped": 1, "soc_reached": 0, "other": 0, "voltage_abnormal": 0}),
    ("CST", "04 00 F0 F0", {"manual_stop": 1, "condition_reached": 0, "emergency_stop": 0, "voltage_abnormal": 0}),
    ("BEM", "F4 F0 F0 FC", {"crm_aa_timeout": 1, "crm_00_timeout": 0, "ccs_timeout": 0}),
    ("BEM", "F0 F1 F0 FC", {"cts_cml_timeout": 1, "cro_timeout": 0}),
    ("BEM", "F0 F0 F1 FC", {"ccs_timeout": 1, "cst_timeout": 0, "csd_timeout": 0}),
    ("CCD", "01", {"direction": 1}),
    ("CDC", "0C 01 00 FF FF FF FF FF", {"version_minor": 12, "version_major": 1}),
    ("BCPP", "68 10 E4 0C 2C 01 14",
     {"current_max_dA": -200, "voltage_min_dV": 3300, "cell_voltage_min_mV": 3000, "soc_min_permille": 200}),
]  # fmt: skip


@pytest.mark.parametrize("name,data,expected", EXAMPLES, ids=[f"{n}-{d[:11]}" for n, d, _ in EXAMPLES])
def test_examples_of_the_facts(name, data, expected):
    got_name, signals = codec.decode(frame(name, data))
    assert got_name == name
    assert signals | expected == signals


def test_the_standards_own_sign_and_units():
    charging = codec.decode(frame("BCL", "52 17 D8 0E 02"), standard=True)[1]
    assert charging == {"voltage_V": 597.0, "current_A": -20.0, "mode": 2}
    discharging = codec.decode(frame("BCLP", "52 17 68 10 03"), standard=True)[1]
    assert discharging["current_A"] == 20.0


def test_bcp_of_log_1():
    # 3.70 V, -250.2 A, 55.4 kWh, 426.1 V, 65 degC, 77.6 %, 378.2 V
    data = bytes.fromhex("72 01 DA 05 2A 02 A5 10 73 08 03 C6 0E")
    assert codec.decode_payload("BCP", data)[1] == {
        "cell_voltage_max_mV": 3700, "current_max_dA": 2502, "energy_Wh": 55400, "voltage_max_dV": 4261,
        "temperature_max_dC": 650, "soc_permille": 776, "voltage_dV": 3782,
    }  # fmt: skip
    assert codec.decode_payload("BCP", data, standard=True)[1]["current_max_A"] == -250.2
    assert codec.payload("BCP", **codec.decode_payload("BCP", data)[1]) == data


def test_bcs_packs_cell_voltage_and_group_in_one_word():
    signals = codec.decode_payload("BCS", bytes.fromhex("25 13 A0 0F 73 11 61 00 00"))[1]
    assert (signals["cell_voltage_max_mV"], signals["cell_group"], signals["soc_permille"]) == (3710, 1, 970)


def test_lists():
    data = codec.payload("BMV", cell_mV=(3710, 4095 * 10), group=(1, 15))
    assert data.hex(" ") == "73 11 ff ff"
    assert codec.decode_payload("BMV", data)[1] == {"cell_mV": (3710, 40950), "group": (1, 15)}
    assert codec.decode_payload("BMT", b"\x00\x4b")[1] == {"temperature_dC": (-500, 250)}
    assert codec.decode_payload("BSP", bytes(16))[1] == {"reserved": bytes(16)}


@pytest.mark.parametrize("length", [41, 49])
def test_brm_of_both_editions(length):
    data = codec.payload("BRM", length, version_minor=1, version_major=1, battery_type=3, vin="LSJ00000000000001")
    name, signals = codec.decode_payload("BRM", data)
    assert (name, len(data), signals["vin"], signals["battery_type"]) == ("BRM", length, "LSJ00000000000001", 3)
    assert ("software_date" in signals) == (length == 49)


def test_unused_bits_are_ones():
    assert codec.cleared("BEM").data.hex() == "f0f0f0fc"
    assert codec.cleared("BEM", {"ccs_timeout": 1}).data.hex() == "f0f0f1fc"
    assert codec.cleared("CST", {"manual_stop": 1}).data.hex() == "0400f0f0"
    ccs = codec.encode("CCS", 7, voltage_dV=42, current_dA=0, elapsed_min=0, permission=1)
    assert ccs.data.hex() == "2a00a00f0000fd"


@pytest.mark.parametrize("name", [m.name for m in (*messages.CHARGER, *messages.CAR) if not m.long])
def test_wrong_lengths_are_told(name):
    message = messages.BY_NAME[name]
    for length in range(9):
        if length not in message.lengths:
            with pytest.raises(codec.CodecError, match=f"{name}: {length} bytes"):
                codec.decode(Frame(message.id, True, bytes(length)))


@pytest.mark.parametrize("can_id,ext", [(0x100, False), (0x1806E5F4, True), (0x0C3956F4, True), (0x1827F456, True)])
def test_strangers_are_told(can_id, ext):
    with pytest.raises(codec.CodecError):
        codec.decode(Frame(can_id, ext, bytes(8)))


@pytest.mark.parametrize("wrong", [{"current_dA": 5000}, {"mode": 300}, {"volts": 3}])
def test_what_does_not_fit_is_refused(wrong):
    with pytest.raises(codec.CodecError):
        codec.encode("BCL", **({"voltage_dV": 4000, "current_dA": 0, "mode": 2} | wrong))


def test_the_transport_frames():
    def tp(data: str, can_id: int = messages.CAR_CM_ID) -> tuple[str, codec.Signals]:
        return codec.decode(Frame(can_id, True, bytes.fromhex(data)))

    rts = {"pgn": 0x0200, "size": 49, "packets": 7, "packets_per_cts": 255}
    assert tp("10 31 00 07 FF 00 02 00") == ("TP.RTS", rts)
    assert tp("11 07 01 FF FF 00 02 00", messages.CHARGER_CM_ID) == ("TP.CTS", {"pgn": 0x200, "packets": 7, "next": 1})
    assert tp("13 31 00 07 FF 00 02 00")[0] == "TP.EOMA"
    assert tp("FF 03 FF FF FF 00 11 00") == ("TP.ABORT", {"pgn": 0x1100, "reason": 3})
    assert tp("07 FF FF FF FF FF FF FF", messages.CAR_DT_ID)[1]["sequence"] == 7
    assert tp("10 1C 00 04 FF 00 29 00")[1]["size"] == len(codec.payload("BDC", vin="X" * 17))


needs_recording = pytest.mark.skipif(not RECORDING.exists(), reason=f"the recording {RECORDING.name} is not here")


@needs_recording
def test_every_frame_of_a_real_session_is_understood_and_made_again():
    frames = read_zlg(RECORDING)
    assert len(frames) == 1149
    seen: dict[str, int] = {}
    for _, got in frames:
        name, signals = codec.decode(got)
        seen[name] = seen.get(name, 0) + 1
        if name.startswith("TP.") or name in ("CTS", "CRM"):
            continue
        if name in ("BSM", "CCS", "BEM"):  # reserved bits are sent as they please
            assert codec.decode(codec.encode(name, len(got.data), **signals)) == (name, signals)
        else:
            assert codec.encode(name, len(got.data), **signals) == got
    assert (seen["BCL"], seen["CCS"], seen["BEM"], seen["TP.RTS"]) == (353, 329, 45, 65)


@needs_recording
def test_the_long_messages_of_a_real_session():
    listener = Listener()
    whole = [message for _, got in read_zlg(RECORDING) if (message := listener.feed(got))]
    names = [codec.decode_payload(codec.long_message(pgn), data)[0] for pgn, data in whole]
    assert names[:2] == ["BRM", "BCP"] and set(names[2:]) == {"BCS"} and len(names) > 60
    brm = codec.decode_payload("BRM", whole[0][1])[1]
    assert (brm["capacity_mAh"], brm["voltage_dV"], brm["maker"], brm["year"]) == (18000, 4921, "KLIE", 2015)
    bcp = codec.decode_payload("BCP", whole[1][1])[1]
    assert (bcp["voltage_max_dV"], bcp["soc_permille"], bcp["current_max_dA"]) == (6030, 970, 1000)
